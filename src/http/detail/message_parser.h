// One HTTP/1.1 message from its bytes, over Beast's parser, which stays behind this header.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "http/message.h"

namespace sallyport::http {

// How the end of a body is found (RFC 9112 §6.3).
enum class Framing : std::uint8_t { none, length, chunked, until_close };

// Decodes the body that follows a head. Holds nothing but its state.
class BodyDecoder {
 public:
  virtual ~BodyDecoder() = default;
  // Takes what it can of `in` and appends what that carries to `out`; returns how much it took, which is 0 while it
  // needs more of a chunk's first line.
  virtual Result<std::size_t> feed(ByteView in, Bytes& out) = 0;
  // The connection has ended: fine only for Framing::until_close.
  virtual Result<void> feed_end() = 0;
  virtual bool is_done() const = 0;
  virtual Framing framing() const = 0;
  // The length of the whole body where the head tells.
  virtual std::optional<std::uint64_t> length() const = 0;
};

struct IncomingRequest {
  RequestHead head;
  std::unique_ptr<BodyDecoder> body;
};
struct IncomingResponse {
  ResponseHead head;
  std::unique_ptr<BodyDecoder> body;
};

Result<IncomingRequest> begin_request(ByteView head);
// `to_head`: the response answers a HEAD request and has no body whatever its head says.
Result<IncomingResponse> begin_response(ByteView head, bool to_head);

}  // namespace sallyport::http
