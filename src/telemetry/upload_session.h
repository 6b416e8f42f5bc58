// The device's side of the upload, without I/O: events in, actions out. One batch is in flight at a time.
//
//   idle ──appended──► reading ──batch──► sending ──acknowledged──► removing ──removed──► reading …
//                        └─empty─► idle        └──failed or late──► waiting ──tick──► reading
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "telemetry/batch.h"

namespace sallyport::telemetry {

struct UploadPolicy {
  BatchLimits batch;
  milliseconds answer_limit = seconds(30);  // a batch that is not answered by then has failed
  milliseconds back_off_least = seconds(1);
  milliseconds back_off_most = minutes(5);
  std::size_t least_batch_bytes = 16U << 10U;  // no batch becomes smaller because the gateway takes no more
};

// Ask the queue for a batch within `limits`; answer with on_read.
struct ReadQueue {
  BatchLimits limits;
};
// Send `batch` to the gateway; answer with on_acknowledgement or on_failure.
struct SendBatch {
  Bytes batch;
};
// Remove from the queue; answer with on_removed or on_failure.
struct RemoveItems {
  Acknowledgement through;
};
// Call on_tick at `at` or soon after. A later one replaces it.
struct WakeAt {
  Instant at;
};
using UploadAction = std::variant<ReadQueue, SendBatch, RemoveItems, WakeAt>;
using UploadActions = std::vector<UploadAction>;

// Not thread-safe. Borrows `random` for its lifetime. Events that do not belong to the present state change nothing, so
// late and repeated answers are harmless.
class UploadSession {
 public:
  UploadSession(UploadPolicy policy, Random& random);

  // Call at the beginning and after every append.
  UploadActions on_appended(Instant now);
  // The answer to ReadQueue; absent: the queue is empty.
  UploadActions on_read(std::optional<Batch> batch, Instant now);
  // What came back for the batch in flight. One that speaks of another incarnation, or of nothing that was sent,
  // removes nothing and counts as a failure only if it claims more than was ever sent.
  UploadActions on_acknowledgement(const Acknowledgement& acknowledgement, Instant now);
  UploadActions on_removed(Instant now);
  // The queue or the gateway failed. Waits with decorrelated jitter, then reads again; the same batch is sent again,
  // which the gateway takes as duplicates where it had committed. `not_before` is the gateway's own wish (Retry-After).
  UploadActions on_failure(Instant now, milliseconds not_before = milliseconds(0));
  // The gateway takes no more at present (429): as on_failure, and each time the next batch is half as large until one
  // was acknowledged.
  UploadActions on_refusal(Instant now, milliseconds not_before);
  UploadActions on_tick(Instant now);

  // Nothing is queued and nothing in flight: what `send --once` waits for.
  bool idle() const { return state_ == State::idle; }

 private:
  enum class State : std::uint8_t { idle, reading, sending, removing, waiting };
  struct InFlight {
    StreamIncarnation incarnation;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::size_t bytes = 0;  // as sent
  };

  UploadActions read();

  UploadPolicy policy_;
  Random& random_;
  State state_ = State::idle;
  bool appended_while_busy_ = false;
  InFlight in_flight_;
  Instant deadline_{};
  std::size_t batch_bytes_;
  milliseconds back_off_;
};

}  // namespace sallyport::telemetry
