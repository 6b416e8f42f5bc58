#include "net/frame_channel.h"

#include <algorithm>

namespace sallyport::net {
namespace {

constexpr std::size_t kHeader = 4;

}  // namespace

FrameChannel::FrameChannel(StreamPtr stream, std::size_t max_frame)
    : stream_(std::move(stream)), max_frame_(max_frame) {}

Result<std::optional<std::size_t>> FrameChannel::length() const {
  if (arrived().size() < kHeader) return std::nullopt;
  const std::size_t length = *Reader(arrived().first(kHeader)).u32();
  if (length > max_frame_) return failf(Errc::malformed, "frame: {} bytes, want {} or fewer", length, max_frame_);
  return length;
}

Task<Result<void>> FrameChannel::read_more(Deadline deadline) {
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(std::exchange(taken_, 0)));
  const std::size_t have = input_.size();
  input_.resize(kFrameBuffer);
  auto count = co_await stream_->read_some(std::span(input_).subspan(have), deadline);
  input_.resize(have + count.value_or(0));
  CO_TRY_VOID(std::move(count));
  if (input_.size() == have) co_return failf(Errc::unavailable, "frame: the stream ended after {} bytes of it", have);
  co_return Result<void>{};
}

Task<Result<Bytes>> FrameChannel::read(Deadline deadline) {
  while (true) {
    CO_TRY(const auto wanted, length());
    if (wanted) co_return co_await read_body(*wanted, deadline);
    CO_TRY_VOID(co_await read_more(deadline));
  }
}

Task<Result<Bytes>> FrameChannel::read_when_any(milliseconds rest) {
  if (arrived().empty()) CO_TRY_VOID(co_await read_more(Deadline::never()));
  co_return co_await read(Deadline(rest));
}

Task<Result<Bytes>> FrameChannel::read_body(std::size_t length, Deadline deadline) {
  taken_ += kHeader;
  const ByteView here = arrived().first(std::min(length, arrived().size()));
  Bytes frame = to_bytes(here);
  taken_ += here.size();
  while (frame.size() < length) {
    const auto have = frame.size();
    frame.resize(std::min(length, std::max(kFrameBuffer, 2 * have)));
    CO_TRY_VOID(co_await read_exactly(*stream_, std::span(frame).subspan(have), deadline));
  }
  co_return frame;
}

Task<Result<void>> FrameChannel::write(std::span<const Bytes> frames, Deadline deadline) {
  Writer all;
  for (const Bytes& frame : frames) {
    if (frame.size() > max_frame_) {
      co_return failf(Errc::overloaded, "frame: {} bytes, want {} or fewer", frame.size(), max_frame_);
    }
    all.u32(static_cast<std::uint32_t>(frame.size())).bytes(frame);
  }
  const Bytes whole = all.take();
  co_return co_await stream_->write_all(whole, deadline);
}

}  // namespace sallyport::net
