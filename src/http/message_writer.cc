#include "http/detail/message_writer.h"

#include <array>

#include "base/log.h"
#include "http/detail/head_check.h"

namespace sallyport::http {
namespace {

constexpr milliseconds kLinger{2'000};
constexpr std::size_t kLingerBytes = 256 * 1024;

void append_fields(std::string& out, const Headers& headers) {
  for (const auto& field : headers.fields()) {
    if (!is_token(field.name) || !is_field_value(field.value)) {
      log::warn("http.field_left_out", {{"name", field.name}});
      continue;
    }
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  out += "\r\n";
}

// Writes pieces of a body of unknown length.
class StreamWriter final : public BodyWriter {
 public:
  StreamWriter(net::Stream& stream, bool chunked) : stream_(stream), chunked_(chunked) {}

  net::Task<Result<void>> write(Bytes piece, net::Deadline deadline) override {
    if (!open_) co_return fail(Errc::unavailable, "http: the client has gone");
    if (piece.empty()) co_return Result<void>{};
    if (chunked_) piece = encode_chunk(piece);
    auto written = co_await stream_.write_all(piece, deadline);
    open_ = written.has_value();
    co_return written;
  }
  bool is_open() const override { return open_; }

 private:
  net::Stream& stream_;
  bool chunked_;
  bool open_ = true;
};

net::Task<Result<void>> write_streamed(net::Stream& stream, Response response, ResponsePlan plan) {
  const bool chunked = !plan.http_1_0;
  set_framing(response.headers, chunked ? Framing::chunked : Framing::until_close, std::nullopt);
  const auto head = encode_response_head(response);
  CO_TRY_VOID(co_await stream.write_all(head, plan.limit));
  if (plan.to_head) co_return Result<void>{};
  StreamWriter writer(stream, chunked);
  co_await response.stream(writer);
  if (chunked) co_return co_await stream.write_all(as_bytes(kLastChunk), plan.limit);
  co_return Result<void>{};
}

}  // namespace

Bytes encode_request_head(const Request& request) {
  auto text = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
  append_fields(text, request.headers);
  return to_bytes(text);
}

Bytes encode_response_head(const Response& response, std::string_view reason) {
  if (reason.empty() || !is_field_value(reason)) reason = reason_phrase(response.status);
  auto text = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason);
  append_fields(text, response.headers);
  return to_bytes(text);
}

void set_framing(Headers& headers, Framing framing, std::optional<std::uint64_t> length) {
  headers.remove("Content-Length");
  headers.remove("Transfer-Encoding");
  if (framing == Framing::chunked) headers.add("Transfer-Encoding", "chunked");
  if (framing == Framing::length && length) headers.add("Content-Length", std::to_string(*length));
}

Bytes encode_chunk(ByteView piece) {
  auto out = to_bytes(fmt::format("{:x}\r\n", piece.size()));
  append(out, piece);
  append(out, as_bytes("\r\n"));
  return out;
}

bool may_have_body(unsigned status) {
  return status >= 200 && status != 204 && status != 304;
}

Bytes encode_response(Response response, const ResponsePlan& plan) {
  if (!plan.keep_alive) response.headers.set("Connection", "close");
  const bool with_body = may_have_body(response.status);
  set_framing(response.headers, with_body ? Framing::length : Framing::none, response.body.size());
  auto whole = encode_response_head(response);
  if (with_body && !plan.to_head) append(whole, response.body);
  return whole;
}

net::Task<Result<void>> write_response(net::Stream& stream, Response response, ResponsePlan plan) {
  if (response.stream && may_have_body(response.status)) {
    if (!plan.keep_alive) response.headers.set("Connection", "close");
    co_return co_await write_streamed(stream, std::move(response), plan);
  }
  const Bytes whole = encode_response(std::move(response), plan);
  co_return co_await stream.write_all(whole, plan.limit);
}

net::Task<void> linger_and_close(net::Stream& stream) {
  const net::Deadline deadline(kLinger);
  auto ended = co_await stream.shutdown_write(deadline);
  std::array<std::uint8_t, 4096> ignored;
  std::size_t total = 0;
  while (ended && total < kLingerBytes) {
    auto got = co_await stream.read_some(ignored, deadline);
    if (!got || *got == 0) break;
    total += *got;
  }
  stream.close();
}

}  // namespace sallyport::http
