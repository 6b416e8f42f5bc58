// Frames over a stream: `u32 length | bytes`.
#pragma once

#include <array>

#include "net/stream.h"

namespace sallyport::net {

inline constexpr std::size_t kMaxFrame = 4 * 1024 * 1024;

// Owns its stream. One reader and one writer at a time.
class FrameChannel {
 public:
  explicit FrameChannel(StreamPtr stream, std::size_t max_frame = kMaxFrame);

  // The deadline is for the whole frame. Memory grows with what arrives and never with what a length claims. A longer
  // frame is Errc::malformed, an orderly end between frames Errc::unavailable.
  Task<Result<Bytes>> read(Deadline deadline);
  // Waits without end for the first byte of a frame; `rest` counts from there.
  Task<Result<Bytes>> read_when_any(milliseconds rest);
  // A frame that is too long is Errc::overloaded and sends nothing.
  Task<Result<void>> write(Bytes frame, Deadline deadline);
  void close() { stream_->close(); }
  Stream& stream() { return *stream_; }

 private:
  Task<Result<Bytes>> read_body(std::array<std::uint8_t, 4> header, Deadline deadline);

  StreamPtr stream_;
  std::size_t max_frame_;
};

}  // namespace sallyport::net
