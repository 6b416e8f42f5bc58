// Messages one after the other from a stream.
#pragma once

#include <memory>
#include <optional>

#include "http/detail/message_parser.h"
#include "net/stream.h"

namespace sallyport::http {

inline constexpr std::size_t kReadSize = 16 * 1024;
// Most heads fit; room that is not used would be cleared for nothing.
inline constexpr std::size_t kHeadReadSize = 2 * 1024;

// Borrows the stream. Holds at most kMaxHeader + kReadSize unread bytes.
class MessageReader {
 public:
  explicit MessageReader(net::Stream& stream) : stream_(&stream) {}

  // The bytes of the next message up to its empty line, for take_request; empty when the peer closed before the first
  // byte. Until then `idle` counts, from there on `limit`. Errc::overloaded for a head that is too long.
  net::Task<Result<Bytes>> read_head(net::Deadline idle, milliseconds limit);
  // Parses a head that was read; what follows it is the body.
  Result<RequestHead> take_request(ByteView head);
  // Both; absent when the peer closed before the first byte.
  net::Task<Result<std::optional<RequestHead>>> read_request(net::Deadline idle, milliseconds limit);
  net::Task<Result<ResponseHead>> read_response(bool to_head, net::Deadline deadline);
  // Whether a byte of the message that is being read has arrived.
  bool has_begun() const { return !unread_.empty() || decoder_ != nullptr; }

  // The body of the message whose head was read last.
  Framing framing() const { return decoder_->framing(); }
  std::optional<std::uint64_t> body_length() const { return decoder_->length(); }
  bool body_is_done() const { return decoder_ == nullptr || decoder_->is_done(); }
  // A piece as it arrives, at most kReadSize; empty at the end of the body.
  net::Task<Result<Bytes>> read_piece(net::Deadline deadline);
  // Errc::overloaded when there is more than `limit`.
  net::Task<Result<Bytes>> read_whole(std::size_t limit, net::Deadline deadline);
  // What was read of the stream by somebody else, and comes next. Only where nothing is unread.
  void put_back(ByteView bytes) { unread_.assign(bytes.begin(), bytes.end()); }
  bool has_unread() const { return !unread_.empty(); }
  // What arrived behind the message.
  Bytes take_unread() { return std::exchange(unread_, {}); }

 private:
  net::Task<Result<bool>> read_more(std::size_t most, net::Deadline deadline);

  net::Stream* stream_;
  Bytes unread_;
  std::unique_ptr<BodyDecoder> decoder_;
};

}  // namespace sallyport::http
