#include "net/frame_channel.h"

#include <algorithm>
#include <array>

namespace sallyport::net {
namespace {

constexpr std::size_t kHeader = 4;
constexpr std::size_t kFirstRoom = 16 * 1024;  // what a length alone may make us allocate

}  // namespace

FrameChannel::FrameChannel(StreamPtr stream, std::size_t max_frame)
    : stream_(std::move(stream)), max_frame_(max_frame) {}

Task<Result<Bytes>> FrameChannel::read(Deadline deadline) {
  std::array<std::uint8_t, kHeader> header{};
  CO_TRY_VOID(co_await read_exactly(*stream_, header, deadline));
  co_return co_await read_body(header, deadline);
}

Task<Result<Bytes>> FrameChannel::read_when_any(milliseconds rest) {
  std::array<std::uint8_t, kHeader> header{};
  CO_TRY_VOID(co_await read_exactly(*stream_, std::span(header).first(1), Deadline::never()));
  const Deadline deadline(rest);
  CO_TRY_VOID(co_await read_exactly(*stream_, std::span(header).subspan(1), deadline));
  co_return co_await read_body(header, deadline);
}

Task<Result<Bytes>> FrameChannel::read_body(std::array<std::uint8_t, 4> header, Deadline deadline) {
  const std::size_t length = *Reader(header).u32();
  if (length > max_frame_) co_return failf(Errc::malformed, "frame: {} bytes, want {} or fewer", length, max_frame_);
  Bytes frame;
  while (frame.size() < length) {
    const auto have = frame.size();
    frame.resize(std::min(length, std::max(kFirstRoom, 2 * have)));
    CO_TRY_VOID(co_await read_exactly(*stream_, std::span(frame).subspan(have), deadline));
  }
  co_return frame;
}

Task<Result<void>> FrameChannel::write(Bytes frame, Deadline deadline) {
  if (frame.size() > max_frame_) {
    co_return failf(Errc::overloaded, "frame: {} bytes, want {} or fewer", frame.size(), max_frame_);
  }
  const auto whole = Writer().u32(static_cast<std::uint32_t>(frame.size())).bytes(frame).take();
  co_return co_await stream_->write_all(whole, deadline);
}

}  // namespace sallyport::net
