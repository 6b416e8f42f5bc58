// Handing an open connection to another process (SCM_RIGHTS).
#pragma once

#include "net/stream.h"

namespace sallyport::net {

inline constexpr std::size_t kMaxPassedMetadata = 4096;

struct PassedDescriptor {
  Descriptor descriptor;
  Bytes metadata;
};

// Sends `descriptor` with its metadata as one message `u16 length | bytes` over a Unix socket stream, which may carry
// nothing else in that direction. The receiver's copy is its own; ours is closed. Errc::malformed when the metadata is
// too long, Errc::conflict when `channel` is no Unix socket.
Task<Result<void>> send_descriptor(Stream& channel, Descriptor descriptor, Bytes metadata, Deadline deadline);
// Errc::unavailable at the end of the channel, Errc::malformed on anything but exactly one descriptor per message.
Task<Result<PassedDescriptor>> receive_descriptor(Stream& channel, Deadline deadline);

}  // namespace sallyport::net
