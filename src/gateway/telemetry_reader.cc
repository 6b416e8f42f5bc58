#include "gateway/telemetry_reader.h"

#include <algorithm>

namespace sallyport::gateway {
namespace {

using codec::Json;

constexpr std::int64_t kDefaultItems = 1'000;

std::string to_text(telemetry::SampleTime time) {
  const std::int64_t total = time.time_since_epoch().count();
  std::string text = to_iso8601(UnixTime(total / 1'000));
  text.insert(text.size() - 1, fmt::format(".{:03}", total % 1'000));
  return text;
}

// The instant of the parameter `key`; the beginning of time without one.
Result<telemetry::SampleTime> time_at(const Json& request, std::string_view key) {
  const Json* given = request.find(key);
  if (given == nullptr || given->is_null()) return telemetry::SampleTime{};
  TRY(auto text, given->text());
  TRY(auto time, parse_iso8601(text));
  return telemetry::SampleTime(seconds(time.since_epoch()));
}

// Of those that have an item not before `since`.
Json streams_json(const std::vector<telemetry::StreamState>& streams, telemetry::SampleTime since) {
  Json::Array out;
  for (const telemetry::StreamState& stream : streams) {
    if (stream.newest < since) continue;
    out.emplace_back(Json::Object{{"name", stream.stream.get()},
                                  {"items", stream.items},
                                  {"newest", stream.items > 0 ? Json(to_text(stream.newest)) : Json()},
                                  {"gaps", stream.missing}});
  }
  return out;
}

Json item_json(const telemetry::Item& item) {
  auto value = codec::parse_json(as_text(item.payload));
  return Json::Object{
      {"sequence", item.sequence}, {"time", to_text(item.time)}, {"value", value ? *std::move(value) : Json()}};
}

}  // namespace

Result<codec::Json> read_telemetry(const telemetry::TelemetrySink& sink, const codec::Json& request) {
  TRY_VOID(request.only_keys({"device", "stream", "from", "since", "limit"}));
  TRY(auto device_text, request.text_at("device"));
  TRY(auto device, parse_device_name(device_text));
  TRY(const auto since, time_at(request, "since"));
  TRY(auto streams, sink.streams(device));
  Json::Object out{{"streams", streams_json(streams, since)}, {"stream", nullptr}, {"items", Json::Array{}}};
  const Json* wanted = request.find("stream");
  if (wanted == nullptr || wanted->is_null()) return Json(std::move(out));
  TRY(auto stream_text, wanted->text());
  TRY(auto stream, telemetry::parse_stream_name(stream_text));
  std::int64_t limit = kDefaultItems;
  if (const Json* given = request.find("limit")) {
    TRY(limit, given->integer());
  }
  const auto count = static_cast<std::size_t>(std::clamp<std::int64_t>(limit, 1, telemetry::kMaxQueryItems));
  TRY(auto items, sink.newest(device, stream, count));
  TRY(const auto from, time_at(request, "from"));
  Json::Array shown;
  for (const telemetry::StoredItem& item : items) {
    if (item.item.time >= std::max(from, since)) shown.push_back(item_json(item.item));
  }
  out.insert_or_assign("stream", stream.get());
  out.insert_or_assign("items", std::move(shown));
  return Json(std::move(out));
}

}  // namespace sallyport::gateway
