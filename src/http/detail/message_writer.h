// The bytes of messages that we send.
#pragma once

#include "http/detail/message_parser.h"
#include "http/message.h"
#include "net/stream.h"

namespace sallyport::http {

// Fields that no peer could read safely (a name that is no token, control characters in a value) are left out and
// logged.
Bytes encode_request_head(const Request& request);
Bytes encode_response_head(const Response& response, std::string_view reason = {});
// Replaces Content-Length and Transfer-Encoding.
void set_framing(Headers& headers, Framing framing, std::optional<std::uint64_t> length);
Bytes encode_chunk(ByteView piece);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
// Whether a response of this status has a body at all (RFC 9110 §6.4.1).
bool may_have_body(unsigned status);

// How a response is to be written.
struct ResponsePlan {
  bool to_head = false;   // the request was HEAD
  bool http_1_0 = false;  // the client knows no chunks
  bool keep_alive = true;
  milliseconds limit{};
};
// The whole of a response that is not streamed.
Bytes encode_response(Response response, const ResponsePlan& plan);
// Writes a response whole, or streams it. Errc::unavailable when the client has gone.
net::Task<Result<void>> write_response(net::Stream& stream, Response response, ResponsePlan plan);

// Ends a connection whose client may still be sending: says so, reads what comes for a moment, so that the last
// response is not lost to a reset, and closes.
net::Task<void> linger_and_close(net::Stream& stream);

}  // namespace sallyport::http
