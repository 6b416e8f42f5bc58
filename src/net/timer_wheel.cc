#include "net/detail/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace sallyport::net {
namespace {

// Of how many entries in one slot the first is looked for. Beyond that the slot's beginning is near enough: with so
// many waiting, to wake once for all of them is nothing.
constexpr std::size_t kMostLookedThrough = 32;

}  // namespace

// An entry's level is that of the highest digit, in base 64, in which its tick differs from now; its slot is that
// digit. So all of a level come before all of the next, slots of a level in their order, and none lies behind now. That
// stays true while now does not reach the beginning of a slot with entries.
void TimerWheel::add(Entry& entry, Tick at) {
  entry.at_ = std::min(at, kLastTick);
  if (entry.at_ <= now_) return due_.append(entry);
  const auto level = (static_cast<unsigned>(std::bit_width(entry.at_ ^ now_)) - 1) / kBitsPerLevel;
  const auto slot = static_cast<unsigned>(entry.at_ >> (level * kBitsPerLevel)) % kSlots;
  levels_[level].occupied |= std::uint64_t{1} << slot;
  levels_[level].slots[slot].append(entry);
}

// Entries leave without telling, so that a slot's bit is cleared here.
std::optional<TimerWheel::Place> TimerWheel::first_place() {
  for (unsigned number = 0; number < kLevels; ++number) {
    Level& level = levels_[number];
    while (level.occupied != 0) {
      const auto slot = static_cast<unsigned>(std::countr_zero(level.occupied));
      if (!level.slots[slot].is_alone()) return Place{.level = number, .slot = slot};
      level.occupied &= level.occupied - 1;
    }
  }
  return std::nullopt;
}

TimerWheel::Tick TimerWheel::begin_of(Place place) const {
  const unsigned shift = place.level * kBitsPerLevel;
  const Tick above = (now_ >> shift) / kSlots * kSlots;
  return (above | place.slot) << shift;
}

void TimerWheel::advance(Tick now) {
  now = std::min(now, kLastTick);
  for (auto place = first_place(); place && begin_of(*place) <= now; place = first_place()) {
    now_ = begin_of(*place);
    Level& level = levels_[place->level];
    level.occupied &= ~(std::uint64_t{1} << place->slot);
    Link moved;
    moved.take(level.slots[place->slot]);
    while (!moved.is_alone()) {
      auto& entry = static_cast<Entry&>(moved.first());
      entry.leave();
      add(entry, entry.at_);  // on a lower level, or due
    }
  }
  now_ = std::max(now_, now);
}

TimerWheel::Entry* TimerWheel::take_due() {
  if (due_.is_alone()) return nullptr;
  auto& entry = static_cast<Entry&>(due_.first());
  entry.leave();
  return &entry;
}

TimerWheel::Entry* TimerWheel::take_any() {
  if (Entry* const due = take_due()) return due;
  const auto place = first_place();
  if (!place) return nullptr;
  auto& entry = static_cast<Entry&>(levels_[place->level].slots[place->slot].first());
  entry.leave();
  return &entry;
}

std::optional<TimerWheel::Tick> TimerWheel::next() {
  if (!due_.is_alone()) return now_;
  const auto place = first_place();
  if (!place) return std::nullopt;
  const Link& slot = levels_[place->level].slots[place->slot];
  Tick first = kLastTick;
  std::size_t seen = 0;
  for (const Link* link = &slot.first(); link != &slot; link = &link->next()) {
    if (++seen > kMostLookedThrough) return begin_of(*place);
    first = std::min(first, static_cast<const Entry*>(link)->at_);
  }
  return first;
}

}  // namespace sallyport::net
