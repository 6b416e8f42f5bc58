// The transparency log as files (C2SP tlog-tiles): what the authority answers in JSON, in their own types.
#include "codec/text.h"
#include "console/api.h"

namespace sallyport::console {

using codec::Json;

Api::Answer Api::read_log_checkpoint(const Route& route, Call call) {
  CO_TRY(const auto bytes, co_await ask(std::string(route.method), call, {}));
  CO_TRY(const auto answer, codec::parse_json(as_text(bytes)));
  // What is served here never decreases: whoever follows the log would take a shorter one for a lie, and rightly.
  if (const Json* set_back = answer.find("was_set_back"); set_back != nullptr && set_back->boolean().value_or(false)) {
    CO_TRY(const auto fault, answer.text_at("fault"));
    co_return failf(Errc::conflict, "log: not served while it is shorter than it was, or another: {}", fault);
  }
  CO_TRY(const auto note, answer.text_at("checkpoint"));
  co_return http::Response::text(note, "text/plain; charset=utf-8");
}

Api::Answer Api::read_log_tile(const Route&, Call call) {
  const auto found = call.parameters.find("path");
  SALLYPORT_CHECK(found != call.parameters.end());
  const std::string path = found->second.text().value_or("");
  const bool entries = path.starts_with("entries/");
  CO_TRY(const auto bytes, co_await ask(entries ? "log.entries" : "log.tile", call, {{"path", "tile/" + path}}));
  CO_TRY(const auto answer, codec::parse_json(as_text(bytes), {.size = records::kMaxRoleMessage}));
  CO_TRY(const auto data, answer.text_at("data"));
  CO_TRY(auto tile, codec::decode_base64(data));
  co_return http::Response::bytes(std::move(tile), "application/octet-stream");
}

}  // namespace sallyport::console
