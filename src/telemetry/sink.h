// Where the gateway puts what devices send, and where charts read it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/names.h"
#include "telemetry/batch.h"

namespace sallyport::telemetry {

struct StreamState {
  StreamName stream;
  std::uint64_t items = 0;    // stored
  std::uint64_t missing = 0;  // sequence numbers that never came
  std::uint64_t dropped = 0;  // of these, what the device says it has given up
  SampleTime newest;          // greatest sample time stored
};

// An item with the order in which it was stored.
struct StoredItem {
  std::uint64_t position = 0;  // rises with every item stored for this device and stream
  Item item;
};

// Thread-safe.
class TelemetrySink {
 public:
  using Committed = std::function<void(Result<Acknowledgement>)>;
  using Removed = std::function<void(Result<std::uint64_t>)>;

  virtual ~TelemetrySink() = default;

  // Stores what is new in `batch` (see ingest.h) and answers once it is durable. Sending a batch again stores nothing
  // and answers the same. `done` is called once, on a thread of the sink. Errc::overloaded when the device has too many
  // streams or incarnations, or the disk is full.
  virtual void commit(DeviceName device, Batch batch, Committed done) = 0;
  virtual Result<Acknowledgement> commit_and_wait(DeviceName device, Batch batch) = 0;

  // The first `limit` (at most kMaxQueryItems) items with a sample time not before `from`, by sample time.
  virtual Result<std::vector<StoredItem>> query(const DeviceName& device, const StreamName& stream, SampleTime from,
                                                std::size_t limit) const = 0;
  // The newest `limit` items by order of storing, oldest of them first.
  virtual Result<std::vector<StoredItem>> newest(const DeviceName& device, const StreamName& stream,
                                                 std::size_t limit) const = 0;
  virtual Result<std::vector<StreamState>> streams(const DeviceName& device) const = 0;

  // Removes at most `limit` items with a sample time before `time`; answers how many. Identities are kept, so nothing
  // removed is ever stored again. `done` is called once, on a thread of the sink.
  virtual void remove_before(SampleTime time, std::size_t limit, Removed done) = 0;
  virtual Result<std::uint64_t> remove_before_and_wait(SampleTime time, std::size_t limit) = 0;
};

inline constexpr std::size_t kMaxQueryItems = 10'000;
inline constexpr std::size_t kMaxStreamsPerDevice = 64;
// Incarnations are remembered for ever; a device that makes new ones without end is refused.
inline constexpr std::size_t kMaxIncarnationsPerDevice = 4'096;

}  // namespace sallyport::telemetry
