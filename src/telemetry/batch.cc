#include "telemetry/batch.h"

#include "codec/json.h"

namespace sallyport::telemetry {
namespace {

constexpr std::uint8_t kVersion = 1;
// Times are written unsigned; no sample is older than the epoch, and none is so new that a signed count overflows.
constexpr std::uint64_t kMaxTime = static_cast<std::uint64_t>(kNoExpiry.since_epoch()) * 1'000;

bool is_stream_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

Result<void> check_topic(std::string_view topic) {
  if (topic.size() > kMaxTopic)
    return failf(Errc::malformed, "topic: {} bytes, want at most {}", topic.size(), kMaxTopic);
  for (const char c : topic) {
    if (c <= 0x20 || c >= 0x7F) return fail(Errc::malformed, "topic: found a character outside printable ascii");
  }
  return {};
}

Result<void> check_time(SampleTime time) {
  const auto count = time.time_since_epoch().count();
  if (count < 0 || static_cast<std::uint64_t>(count) > kMaxTime)
    return fail(Errc::malformed, "sample time: outside the years 1970 to 9999");
  return {};
}

Result<std::uint8_t> read_version(Reader& reader) {
  TRY(auto version, reader.u8());
  if (version != kVersion) return failf(Errc::malformed, "version {}, want {}", version, kVersion);
  return version;
}

Result<std::uint64_t> read_number(Reader& reader, std::string_view what) {
  TRY(auto number, reader.u64());
  if (number > kMaxSequence) return failf(Errc::malformed, "{}: want a number below 2^63", what);
  return number;
}

Result<Item> read_item(Reader& reader) {
  Item item;
  TRY(item.sequence, read_number(reader, "sequence"));
  TRY(auto time, reader.u64());
  if (time > kMaxTime) return fail(Errc::malformed, "sample time: outside the years 1970 to 9999");
  item.time = SampleTime(milliseconds(static_cast<std::int64_t>(time)));
  TRY(auto topic, reader.bytes_u8());
  TRY_VOID(check_topic(as_text(topic)));
  item.topic = as_text(topic);
  TRY(auto payload, reader.bytes_u24());
  if (payload.size() > kMaxPayload)
    return failf(Errc::malformed, "payload: {} bytes, want at most {}", payload.size(), kMaxPayload);
  item.payload = to_bytes(payload);
  return item;
}

Result<Batch> read_batch(ByteView bytes) {
  if (bytes.size() > kMaxBatchBytes)
    return failf(Errc::malformed, "{} bytes, want at most {}", bytes.size(), kMaxBatchBytes);
  Reader reader(bytes);
  TRY_VOID(read_version(reader));
  Batch batch;
  TRY(auto stream, reader.bytes_u8());
  TRY(batch.stream, parse_stream_name(as_text(stream)));
  TRY(auto incarnation, reader.array<16>());
  batch.incarnation = StreamIncarnation(incarnation);
  TRY(batch.dropped, read_number(reader, "dropped"));
  TRY(auto count, reader.u16());
  if (count == 0 || count > kMaxBatchItems)
    return failf(Errc::malformed, "{} items, want 1 to {}", count, kMaxBatchItems);
  std::uint64_t last = 0;
  for (std::uint16_t i = 0; i < count; ++i) {
    TRY(auto item, read_item(reader));
    if (item.sequence <= last) return fail(Errc::malformed, "sequence does not rise");
    last = item.sequence;
    batch.items.push_back(std::move(item));
  }
  TRY_VOID(reader.finish("items"));
  return batch;
}

}  // namespace

Result<StreamName> parse_stream_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxStreamName)
    return failf(Errc::malformed, "stream name: {} characters, want 1 to {}", text.size(), kMaxStreamName);
  for (const char c : text) {
    if (!is_stream_character(c)) return fail(Errc::malformed, "stream name: want only a-z, 0-9, '.', '_', '-'");
  }
  if (!is_alphanumeric(text.front()) || !is_alphanumeric(text.back()))
    return fail(Errc::malformed, "stream name: want a letter or digit first and last");
  return StreamName(std::string(text));
}

StreamIncarnation draw_stream_incarnation(Random& random) {
  return StreamIncarnation(random.array<16>());
}

Result<void> check_sample(const Sample& sample) {
  TRY_VOID(check_time(sample.time));
  TRY_VOID(check_topic(sample.topic));
  if (sample.payload.size() > kMaxPayload)
    return failf(Errc::overloaded, "payload: {} bytes, want at most {}", sample.payload.size(), kMaxPayload);
  auto json = codec::parse_json(as_text(sample.payload), {.size = kMaxPayload, .depth = kMaxPayloadDepth});
  if (!json) return std::unexpected(std::move(json).error().at("payload"));
  return {};
}

std::size_t encoded_size(const Item& item) {
  return kItemOverhead + item.topic.size() + item.payload.size();
}

Bytes encode_batch(const Batch& batch) {
  SALLYPORT_CHECK(!batch.items.empty() && batch.items.size() <= kMaxBatchItems);
  Writer writer;
  writer.u8(kVersion).bytes_u8(as_bytes(batch.stream.get())).bytes(batch.incarnation.get()).u64(batch.dropped);
  writer.u16(static_cast<std::uint16_t>(batch.items.size()));
  for (const Item& item : batch.items) {
    SALLYPORT_CHECK(item.payload.size() <= kMaxPayload && check_time(item.time).has_value());
    writer.u64(item.sequence).u64(static_cast<std::uint64_t>(item.time.time_since_epoch().count()));
    writer.bytes_u8(as_bytes(item.topic)).bytes_u24(item.payload);
  }
  SALLYPORT_CHECK(writer.size() <= kMaxBatchBytes);
  return std::move(writer).take();
}

Result<Batch> parse_batch(ByteView bytes) {
  auto batch = read_batch(bytes);
  if (!batch) return std::unexpected(std::move(batch).error().at("telemetry batch"));
  return batch;
}

Bytes encode_acknowledgement(const Acknowledgement& acknowledgement) {
  Writer writer;
  writer.u8(kVersion).bytes(acknowledgement.incarnation.get()).u64(acknowledgement.committed);
  return std::move(writer).take();
}

Result<Acknowledgement> parse_acknowledgement(ByteView bytes) {
  Reader reader(bytes);
  if (auto version = read_version(reader); !version)
    return std::unexpected(std::move(version).error().at("telemetry acknowledgement"));
  TRY(auto incarnation, reader.array<16>());
  TRY(auto committed, read_number(reader, "committed"));
  TRY_VOID(reader.finish("telemetry acknowledgement"));
  return Acknowledgement{.incarnation = StreamIncarnation(incarnation), .committed = committed};
}

}  // namespace sallyport::telemetry
