#include "memory_queue.h"

namespace sallyport::fleet {

using telemetry::Acknowledgement;
using telemetry::Batch;

MemoryQueue::MemoryQueue(Random& random) : incarnation_(telemetry::draw_stream_incarnation(random)) {}

void MemoryQueue::append(telemetry::StreamName stream, std::vector<telemetry::Sample> samples, Done done) {
  done(append_and_wait(std::move(stream), std::move(samples)));
}

Result<void> MemoryQueue::append_and_wait(telemetry::StreamName stream, std::vector<telemetry::Sample> samples) {
  const std::lock_guard lock(mutex_);
  if (!stream_.get().empty() && stream_ != stream)
    return fail(Errc::conflict, "telemetry: a simulated device has one stream");
  for (const telemetry::Sample& sample : samples) TRY_VOID(telemetry::check_sample(sample));
  stream_ = std::move(stream);
  for (telemetry::Sample& sample : samples)
    items_.push_back({.sequence = next_++,
                      .time = sample.time,
                      .topic = std::move(sample.topic),
                      .payload = std::move(sample.payload)});
  return {};
}

Result<std::optional<Batch>> MemoryQueue::peek(telemetry::BatchLimits limits) {
  const std::lock_guard lock(mutex_);
  if (items_.empty()) return std::nullopt;
  Batch batch{.stream = stream_, .incarnation = incarnation_, .dropped = 0, .items = {}};
  std::size_t bytes = telemetry::kBatchOverhead;
  for (const telemetry::Item& item : items_) {
    bytes += telemetry::encoded_size(item);
    if (batch.items.size() == limits.items || (!batch.items.empty() && bytes > limits.bytes)) break;
    batch.items.push_back(item);
  }
  return batch;
}

void MemoryQueue::remove_through(Acknowledgement acknowledgement, Done done) {
  done(remove_through_and_wait(acknowledgement));
}

Result<void> MemoryQueue::remove_through_and_wait(Acknowledgement acknowledgement) {
  const std::lock_guard lock(mutex_);
  if (acknowledgement.incarnation != incarnation_) return {};
  while (!items_.empty() && items_.front().sequence <= acknowledgement.committed) items_.pop_front();
  return {};
}

Result<telemetry::QueueState> MemoryQueue::state() const {
  const std::lock_guard lock(mutex_);
  return telemetry::QueueState{.items = items_.size()};
}

}  // namespace sallyport::fleet
