#include "net/stream.h"

#include <algorithm>
#include <array>

namespace sallyport::net {

Result<std::optional<std::size_t>> Stream::read_now(std::span<std::uint8_t>) {
  return std::optional<std::size_t>();
}

Result<std::size_t> Stream::write_now(ByteView) {
  return std::size_t{0};
}

Task<Result<void>> read_exactly(Stream& stream, std::span<std::uint8_t> into, Deadline deadline) {
  while (!into.empty()) {
    CO_TRY(const auto count, co_await stream.read_some(into, deadline));
    if (count == 0) co_return failf(Errc::unavailable, "stream: ended with {} bytes missing", into.size());
    into = into.subspan(count);
  }
  co_return Result<void>{};
}

Task<Result<Bytes>> read_to_end(Stream& stream, std::size_t limit, Deadline deadline) {
  Bytes all;
  std::array<std::uint8_t, 8192> buffer;
  while (true) {
    CO_TRY(const auto count, co_await stream.read_some(buffer, deadline));
    if (count == 0) co_return all;
    if (count > limit - all.size()) co_return failf(Errc::overloaded, "stream: more than {} bytes", limit);
    append(all, ByteView(buffer).first(count));
  }
}

}  // namespace sallyport::net
