// A device's telemetry queue without a file and a thread of its own, so that many fit into a process. What is queued
// ends with it; that a queue survives a power cut is shown where the real one is tested (store, tests/e2e).
#pragma once

#include <deque>
#include <mutex>

#include "telemetry/queue.h"

namespace sallyport::fleet {

// Of one stream, whose samples are put in at the beginning.
class MemoryQueue final : public telemetry::TelemetryQueue {
 public:
  explicit MemoryQueue(Random& random);

  void append(telemetry::StreamName stream, std::vector<telemetry::Sample> samples, Done done) override;
  Result<void> append_and_wait(telemetry::StreamName stream, std::vector<telemetry::Sample> samples) override;
  Result<std::optional<telemetry::Batch>> peek(telemetry::BatchLimits limits) override;
  void remove_through(telemetry::Acknowledgement acknowledgement, Done done) override;
  Result<void> remove_through_and_wait(telemetry::Acknowledgement acknowledgement) override;
  Result<telemetry::QueueState> state() const override;

 private:
  mutable std::mutex mutex_;
  telemetry::StreamIncarnation incarnation_;
  telemetry::StreamName stream_;
  std::uint64_t next_ = 1;
  std::deque<telemetry::Item> items_;
};

}  // namespace sallyport::fleet
