#include "agent/latest_values.h"

#include <algorithm>
#include <iterator>

#include "base/time.h"

namespace sallyport::agent {

void LatestValues::erase(Values::iterator at) {
  bytes_ -= at->second.payload.size();
  values_.erase(at);
}

void LatestValues::make_room() {
  while (values_.size() > kMaxLatest || bytes_ > kMaxLatestBytes) {
    erase(std::ranges::min_element(values_, {}, [](const auto& entry) { return entry.second.order; }));
  }
}

void LatestValues::take(const telemetry::StreamName& stream, std::span<const telemetry::Sample> samples) {
  for (const telemetry::Sample& sample : samples) {
    const auto key = std::pair(stream.get(), sample.topic);
    const auto before = values_.find(key);
    if (before != values_.end() && sample.time < before->second.time) continue;
    if (before != values_.end()) erase(before);
    if (sample.payload.size() > kMaxLatestValue) continue;
    values_.emplace(key, Value{.time = sample.time, .payload = sample.payload, .order = ++orders_});
    bytes_ += sample.payload.size();
    make_room();
  }
}

codec::Json LatestValues::list() const {
  codec::Json::Array out;
  for (const auto& [key, value] : values_) {
    auto json = codec::parse_json(as_text(value.payload));
    if (!json) continue;  // it was JSON when it was taken
    const auto at = std::chrono::floor<seconds>(value.time).time_since_epoch();
    out.push_back(codec::Json::Object{{"stream", key.first},
                                      {"topic", key.second},
                                      {"time", to_iso8601(UnixTime(at.count()))},
                                      {"value", *std::move(json)}});
  }
  return out;
}

}  // namespace sallyport::agent
