// Deadlines of many waits, most of which never come.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sallyport::net {

// A place in a list whose members live where they are used: entering and leaving cost no memory. Leaves by itself when
// it ends. A link that is in no list is a list's head.
class Link {
 public:
  Link() : before_(this), after_(this) {}
  ~Link() { leave(); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  bool is_alone() const { return after_ == this; }
  void leave() {
    before_->after_ = after_;
    after_->before_ = before_;
    before_ = after_ = this;
  }
  // Of a head: the first member; itself where there is none.
  Link& first() const { return *after_; }
  Link& next() const { return *after_; }
  // Of a head: enters `last`, which is in no list.
  void append(Link& last) {
    last.before_ = before_;
    last.after_ = this;
    before_->after_ = &last;
    before_ = &last;
  }
  // Of an empty head: takes all members of `other`.
  void take(Link& other) {
    if (other.is_alone()) return;
    before_ = other.before_;
    after_ = other.after_;
    before_->after_ = after_->before_ = this;
    other.before_ = other.after_ = &other;
  }

 private:
  Link* before_;
  Link* after_;
};

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
