// Joining two streams.
#pragma once

#include <cstdint>
#include <memory>
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

// How long nothing may move, in either direction.
struct CopyLimits {
  CopyLimits(milliseconds limit)  // NOLINT(google-explicit-constructor): one for both
      : idle(limit), half_closed(limit) {}
  CopyLimits(seconds limit) : CopyLimits(milliseconds(limit)) {}  // NOLINT(google-explicit-constructor)
  CopyLimits(milliseconds while_open, milliseconds after_one_end) : idle(while_open), half_closed(after_one_end) {}
  milliseconds idle;
  milliseconds half_closed;  // once one direction has ended
  // Where `right` is a Unix socket whose other end was closed, and not only shut, so that nothing can reach it any
  // more, and nothing has moved for so long, both are closed. 0: nobody looks.
  milliseconds gone{0};
  // How often a side is looked at whose kernel may hold bytes for it: one that only does not read is not taken for
  // dead (TCP_USER_TIMEOUT).
  milliseconds window_look{4'000};
};

// Copies each direction into the other until both have ended. An end of stream is passed on as a half-close; an error,
// or a limit that has passed (Errc::expired), resets both. A reader that is slow stops the writer at the other side: at
// most kCopyBuffer bytes are held per direction, and none while a direction is silent. Closing either stream from
// outside ends it.
Task<CopyTotals> copy_both_ways(Stream& left, Stream& right, CopyLimits limits);

// A socket whose bytes are those of `stream`, for who needs a descriptor where the stream's alone is not the stream
// (TLS, WebSocket): a Unix socket, copied to and from as above on the stream's executor, until both its ends are over.
// `keeps` lives as long as that. Errors of the system.
Result<Descriptor> carry_by_socket(StreamPtr stream, CopyLimits limits, std::shared_ptr<void> keeps = nullptr);

}  // namespace sallyport::net
