// The last value of each stream and topic that programs of the device have handed in: for who asks the device itself,
// whether or not they were sent to the gateway. In memory, bounded.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "codec/json.h"
#include "telemetry/batch.h"

namespace sallyport::agent {

inline constexpr std::size_t kMaxLatest = 256;              // streams and topics; one more forgets the oldest
inline constexpr std::size_t kMaxLatestValue = 2U << 10U;   // bytes; a longer one is not kept
inline constexpr std::size_t kMaxLatestBytes = 12U << 10U;  // of all: no answer has more JSON values than callers read

// Not thread-safe.
class LatestValues {
 public:
  // What was true later stays; of two of one time the one that is taken later.
  void take(const telemetry::StreamName& stream, std::span<const telemetry::Sample> samples);
  // [{"stream", "topic", "time": ISO 8601 to the second, "value"}], by stream and topic.
  codec::Json list() const;
  std::size_t size() const { return values_.size(); }

 private:
  struct Value {
    telemetry::SampleTime time;
    Bytes payload;
    std::uint64_t order = 0;
  };
  using Values = std::map<std::pair<std::string, std::string>, Value>;
  void erase(Values::iterator at);
  void make_room();

  Values values_;
  std::size_t bytes_ = 0;
  std::uint64_t orders_ = 0;
};

}  // namespace sallyport::agent
