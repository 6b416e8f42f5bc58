// Any sequence of events: the session never removes what is not in flight, never has two batches in flight, never
// stands still with something to do, and once its line is good everything is delivered.
//
//   input := (event u8 | argument u8)*
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "telemetry/upload_session.h"

namespace {

using namespace sallyport;
using namespace sallyport::telemetry;

// A queue of numbers, and what the session has asked for.
struct World {
  std::uint64_t appended = 0;
  std::uint64_t removed = 0;
  std::uint64_t in_flight_last = 0;  // 0: nothing
  bool reading = false;
  bool removing = false;
  std::optional<Instant> wake;

  void perform(const UploadActions& actions) {
    for (const auto& action : actions) {
      if (std::holds_alternative<ReadQueue>(action)) {
        SALLYPORT_CHECK(!reading);
        reading = true;
        in_flight_last = 0;
        removing = false;
        wake.reset();
      } else if (const auto* send = std::get_if<SendBatch>(&action)) {
        const auto batch = parse_batch(send->batch);
        SALLYPORT_CHECK(batch.has_value());
        in_flight_last = batch->items.back().sequence;
      } else if (const auto* remove = std::get_if<RemoveItems>(&action)) {
        SALLYPORT_CHECK(remove->through.committed > removed && remove->through.committed <= in_flight_last);
        removed = remove->through.committed;
        removing = true;
      } else {
        wake = std::get<WakeAt>(action).at;
      }
    }
  }

  std::optional<Batch> next(std::uint64_t most) const {
    if (removed == appended) return std::nullopt;
    Batch batch{.stream = StreamName("s"), .incarnation = {}, .dropped = 0, .items = {}};
    for (std::uint64_t i = 1; i <= most && removed + i <= appended; ++i)
      batch.items.push_back({.sequence = removed + i, .time = {}, .topic = {}, .payload = {}});
    return batch;
  }
};

void deliver_the_rest(UploadSession& session, World& world, Instant now) {
  world.perform(session.on_appended(now));
  for (int step = 0; !session.idle(); ++step) {
    SALLYPORT_CHECK(step < 10'000);
    if (world.reading) {
      world.reading = false;
      world.perform(session.on_read(world.next(100), now));
    } else if (world.removing) {
      world.perform(session.on_removed(now));
    } else if (world.in_flight_last > world.removed) {
      world.perform(session.on_acknowledgement({.incarnation = {}, .committed = world.in_flight_last}, now));
      if (!world.removing && world.wake) {
        now = *world.wake;
        world.perform(session.on_tick(now));
      }
    } else {
      SALLYPORT_CHECK(world.wake.has_value());
      now = *world.wake;
      world.perform(session.on_tick(now));
    }
  }
  SALLYPORT_CHECK(world.removed == world.appended);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  SeededRandom random(size);
  UploadSession session({}, random);
  World world;
  Instant now{};
  Reader reader(ByteView(data, std::min<std::size_t>(size, 4'096)));
  while (reader.remaining() >= 2) {
    const std::uint8_t event = *reader.u8();
    const std::uint64_t argument = *reader.u8();
    switch (event % 7) {
      case 0:
        world.appended += argument % 8;
        world.perform(session.on_appended(now));
        break;
      case 1:
        if (world.reading) {
          world.reading = false;
          world.perform(session.on_read(world.next(1 + argument), now));
        }
        break;
      case 2:
        world.perform(session.on_acknowledgement({.incarnation = {}, .committed = argument}, now));
        break;
      case 3:
        if (world.removing) world.perform(session.on_removed(now));
        break;
      case 4:
        world.reading = false;
        world.removing = false;
        world.perform(session.on_failure(now, milliseconds(argument)));
        break;
      case 5:
        now += milliseconds(argument * argument);
        world.perform(session.on_tick(now));
        break;
      default:
        world.perform(session.on_acknowledgement(
            {.incarnation = StreamIncarnation({static_cast<std::uint8_t>(argument)}), .committed = argument}, now));
    }
  }
  deliver_the_rest(session, world, now);
  return 0;
}
