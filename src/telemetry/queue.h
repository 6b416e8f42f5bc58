// The durable queue on a device, as the agent sees it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "telemetry/batch.h"

namespace sallyport::telemetry {

struct QueueLimits {
  std::uint64_t items = 1'000'000;
  std::uint64_t bytes = 256U << 20U;  // of encoded items
};

// What a stream does when the queue is full.
enum class WhenFull : std::uint8_t { refuse, drop_oldest };

struct QueueState {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::uint64_t dropped = 0;  // items given up since the queue was made: by drop_oldest, and unreadable ones
  std::uint64_t refused = 0;  // samples refused because the queue was full, since it was opened
};

// Thread-safe. Completions are called once, on a thread of the queue, or on the calling thread when the samples are
// refused.
class TelemetryQueue {
 public:
  using Done = std::function<void(Result<void>)>;

  virtual ~TelemetryQueue() = default;

  // Appends all of `samples` or none; durable when `done` is called. Fails with Errc::overloaded when the queue is full
  // and the stream does not drop, Errc::malformed when check_sample does, Errc::unavailable when the disk fails.
  virtual void append(StreamName stream, std::vector<Sample> samples, Done done) = 0;
  virtual Result<void> append_and_wait(StreamName stream, std::vector<Sample> samples) = 0;

  // The next batch to send: consecutive items of the stream whose first item waits longest. Absent when the queue is
  // empty. The same until something is removed or dropped. An item that cannot be read is left out and counted as
  // dropped.
  virtual Result<std::optional<Batch>> peek(BatchLimits limits) = 0;

  // Removes what the gateway has committed. Idempotent; an unknown incarnation removes nothing.
  virtual void remove_through(Acknowledgement acknowledgement, Done done) = 0;
  virtual Result<void> remove_through_and_wait(Acknowledgement acknowledgement) = 0;

  virtual Result<QueueState> state() const = 0;
};

}  // namespace sallyport::telemetry
