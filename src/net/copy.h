// Joining two streams.
#pragma once

#include <cstdint>
#include <optional>

#include "net/stream.h"

namespace sallyport::net {

struct CopyTotals {
  std::uint64_t left_to_right = 0;
  std::uint64_t right_to_left = 0;
  // Why it ended; absent when both directions came to their orderly ends.
  std::optional<Error> error;
};

inline constexpr std::size_t kCopyBuffer = 16 * 1024;

// Copies each direction into the other until both have ended. An end of stream is passed on as a half-close; an error,
// or `idle_limit` without a byte in either direction (Errc::expired), closes both. A reader that is slow stops the
// writer at the other side: at most kCopyBuffer bytes are held per direction, and none while a direction is silent.
// Closing either stream from outside ends it.
Task<CopyTotals> copy_both_ways(Stream& left, Stream& right, milliseconds idle_limit);

}  // namespace sallyport::net
