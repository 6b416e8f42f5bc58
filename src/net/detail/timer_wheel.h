// Deadlines of many waits, most of which never come.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/detail/link.h"

namespace sallyport::net {

// A hierarchy of slots: 64 for the ticks ahead, 64 for each 64 of those, and so on. Entering and leaving are O(1), time
// moves an entry at most once per level, and memory is that of the slots. Reads no clock and tells nobody: whoever owns
// it moves its time and takes out what is due. Not thread-safe.
class TimerWheel {
 public:
  using Tick = std::uint64_t;
  // Further ahead nothing can be told apart; it is due then at the latest.
  static constexpr unsigned kBitsPerLevel = 6;
  static constexpr unsigned kLevels = 8;
  static constexpr Tick kLastTick = (Tick{1} << (kBitsPerLevel * kLevels)) - 1;

  // Lives in what waits. In at most one wheel.
  class Entry : public Link {
   public:
    Tick at() const { return at_; }

   private:
    friend TimerWheel;
    Tick at_ = 0;
  };

  // An entry for a tick that has come already is due at once.
  void add(Entry& entry, Tick at);
  // Moves the time; back does nothing.
  void advance(Tick now);
  // Takes out an entry whose tick has come, in the order of ticks except for those that were due when they were added;
  // null when there is none.
  Entry* take_due();
  // Takes out any entry; null when there is none.
  Entry* take_any();
  // By when advance() must be called next: never later than the first entry's tick, exactly that where few wait for
  // about the same time. Absent when it is empty.
  std::optional<Tick> next();
  Tick now() const { return now_; }

 private:
  static constexpr std::size_t kSlots = std::size_t{1} << kBitsPerLevel;

  struct Level {
    std::uint64_t occupied = 0;  // a bit for each slot that may have entries
    std::array<Link, kSlots> slots;
  };
  // The next slot that has entries.
  struct Place {
    unsigned level;
    unsigned slot;
  };
  std::optional<Place> first_place();
  Tick begin_of(Place place) const;

  Tick now_ = 0;
  Link due_;
  std::array<Level, kLevels> levels_;
};

}  // namespace sallyport::net
