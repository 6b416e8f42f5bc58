// Frames over a stream: `u32 length | bytes`.
#pragma once

#include <optional>
#include <span>

#include "net/stream.h"

namespace sallyport::net {

inline constexpr std::size_t kMaxFrame = 4 * 1024 * 1024;
// What is read at once, and what a length alone may make us allocate.
inline constexpr std::size_t kFrameBuffer = 16 * 1024;

// Owns its stream. One reader and one writer at a time. Holds up to kFrameBuffer of what came after the last frame, so
// the stream must not be read past it.
class FrameChannel {
 public:
  explicit FrameChannel(StreamPtr stream, std::size_t max_frame = kMaxFrame);

  // The deadline is for the whole frame. Memory grows with what arrives and never with what a length claims. A longer
  // frame is Errc::malformed, an orderly end between frames Errc::unavailable.
  Task<Result<Bytes>> read(Deadline deadline);
  // Waits without end for the first byte of a frame; `rest` counts from there.
  Task<Result<Bytes>> read_when_any(milliseconds rest);
  // Writes all `frames` as one, with one deadline; they must stay until it returns. If one is too long that is
  // Errc::overloaded and nothing is sent.
  Task<Result<void>> write(std::span<const Bytes> frames, Deadline deadline);
  void close() { stream_->close(); }
  Stream& stream() { return *stream_; }

 private:
  ByteView arrived() const { return ByteView(input_).subspan(taken_); }
  // The length of the frame that is arriving; nothing while its header is not whole.
  Result<std::optional<std::size_t>> length() const;
  // Reads at least one byte more.
  Task<Result<void>> read_more(Deadline deadline);
  Task<Result<Bytes>> read_body(std::size_t length, Deadline deadline);

  StreamPtr stream_;
  std::size_t max_frame_;
  Bytes input_;
  std::size_t taken_ = 0;  // of input_
};

}  // namespace sallyport::net
