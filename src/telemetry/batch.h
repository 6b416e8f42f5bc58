// What travels from a device to the gateway and back: batches of items of one stream, and acknowledgements.
//
//   batch           := version u8 = 1 | stream u8-length | incarnation[16] | dropped u64 | count u16 | item[count]
//   item            := sequence u64 | time u64 | topic u8-length | payload u24-length
//   acknowledgement := version u8 = 1 | incarnation[16] | committed u64                        (all numbers big-endian)
//
// Both travel inside mutual TLS: who sent them is the connection's certificate, never a field.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/strong.h"
#include "base/time.h"

namespace sallyport::telemetry {

// A stream of a device: 1 to kMaxStreamName characters a-z 0-9 and inner '.', '_', '-'.
using StreamName = Strong<std::string, struct StreamNameTag>;
// One life of a stream's counter, drawn at random. Items are told apart by (incarnation, sequence), so a queue that was
// lost and made anew never repeats an identity.
using StreamIncarnation = Strong<std::array<std::uint8_t, 16>, struct StreamIncarnationTag>;
// When a value was true, by the clock of its producer.
using SampleTime = std::chrono::sys_time<milliseconds>;

inline constexpr std::size_t kMaxStreamName = 64;
inline constexpr std::size_t kMaxTopic = 128;
inline constexpr std::size_t kMaxPayload = 64U << 10U;
inline constexpr std::size_t kMaxPayloadDepth = 16;
inline constexpr std::size_t kMaxBatchItems = 4'096;
// No batch is longer than this: what holds any single item fits in it.
inline constexpr std::size_t kMaxBatchBytes = 1U << 20U;
// Numbers of items stay below 2^63, so that every database can hold them.
inline constexpr std::uint64_t kMaxSequence = (1ULL << 63U) - 1;
// What a batch of no items takes, and an item beside its topic and payload, both at most.
inline constexpr std::size_t kBatchOverhead = 28 + kMaxStreamName;
inline constexpr std::size_t kItemOverhead = 20;

// What a producer hands in.
struct Sample {
  SampleTime time;
  std::string topic;  // may be empty; printable ASCII without space, at most kMaxTopic bytes
  Bytes payload;      // one JSON value, at most kMaxPayload bytes
};

// A sample that has its place in a stream.
struct Item {
  std::uint64_t sequence = 0;  // 1, 2, 3, … within the incarnation
  SampleTime time;
  std::string topic;
  Bytes payload;  // from the gateway on: a device's bytes, not known to be JSON

  friend bool operator==(const Item&, const Item&) = default;
};

// Items of one stream in rising order of sequence, at least one. A number that is missing was dropped by the device.
struct Batch {
  StreamName stream;
  StreamIncarnation incarnation;
  std::uint64_t dropped = 0;  // items of this incarnation that the device has given up so far, in total
  std::vector<Item> items;

  friend bool operator==(const Batch&, const Batch&) = default;
};

// "All items of this incarnation up to and including `committed` are durable here."
struct Acknowledgement {
  StreamIncarnation incarnation;
  std::uint64_t committed = 0;

  friend bool operator==(const Acknowledgement&, const Acknowledgement&) = default;
};

struct BatchLimits {
  std::size_t items = kMaxBatchItems;
  std::size_t bytes = kMaxBatchBytes;
};

// Fails with Errc::malformed, naming the rule broken.
Result<StreamName> parse_stream_name(std::string_view text);
StreamIncarnation draw_stream_incarnation(Random& random);

// Fails with Errc::malformed unless topic and payload follow the rules of Sample (the payload is parsed as JSON of
// depth at most kMaxPayloadDepth), with Errc::overloaded over a size limit. Done once, where a producer hands in.
Result<void> check_sample(const Sample& sample);

// The bytes that `item` takes in a batch.
std::size_t encoded_size(const Item& item);

// `batch` must follow the rules of Batch and the limits: anything else is a broken invariant.
Bytes encode_batch(const Batch& batch);
// Fails with Errc::malformed. Does not look into payloads.
Result<Batch> parse_batch(ByteView bytes);

Bytes encode_acknowledgement(const Acknowledgement& acknowledgement);
Result<Acknowledgement> parse_acknowledgement(ByteView bytes);

}  // namespace sallyport::telemetry
