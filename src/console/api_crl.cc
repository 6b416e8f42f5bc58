// A CRL as a file: what the authority answers in portions, put together.
#include <algorithm>

#include "base/counted.h"
#include "codec/text.h"
#include "console/api.h"
#include "pki/crl.h"

namespace sallyport::console {
namespace {

using codec::Json;

constexpr std::size_t kMaxCaName = 128;

// It becomes part of a header field.
bool is_ca_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxCaName && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '@';
  });
}

}  // namespace

Api::Answer Api::read_crl(const Route& route, Call call) {
  const auto found = call.parameters.find("ca");
  SALLYPORT_CHECK(found != call.parameters.end());
  const std::string ca = found->second.text().value_or("");
  if (!is_ca_name(ca)) co_return fail(Errc::not_found, "not-found: no such CA");
  if (crl_reads_ >= kMaxCrlReads) co_return fail(Errc::unavailable, "CRL: others are being read");
  const Counted reading(crl_reads_);
  Bytes der;
  std::int64_t number = 0;
  std::int64_t count = 1;
  for (std::int64_t index = 0; index < count; ++index) {
    CO_TRY(const auto bytes, co_await ask(std::string(route.method), call, {{"ca", ca}, {"index", index}}));
    CO_TRY(const auto answer, codec::parse_json(as_text(bytes), {.size = records::kMaxRoleMessage}));
    CO_TRY(const auto told, answer.integer_at("number"));
    if (index > 0 && told != number) co_return fail(Errc::unavailable, "CRL: replaced while it was read");
    number = told;
    CO_TRY(count, answer.integer_at("count"));
    CO_TRY(const auto data, answer.text_at("data"));
    CO_TRY(const auto portion, codec::decode_base64(data));
    der.insert(der.end(), portion.begin(), portion.end());
    if (der.size() > pki::kMaxCrlBytes) co_return fail(Errc::internal, "CRL: larger than a CRL may be");
  }
  http::Response response = http::Response::bytes(std::move(der), "application/pkix-crl");
  response.headers.set("Content-Disposition", fmt::format("attachment; filename=\"{}.crl\"", ca));
  co_return response;
}

}  // namespace sallyport::console
