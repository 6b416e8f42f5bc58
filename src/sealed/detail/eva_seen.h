// Which requests of one key came before.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "base/time.h"

namespace sallyport::sealed::eva {

// Of a request: its id or the beginning of its tag, each 16 bytes, and which of the two it is.
using Mark = std::array<std::uint8_t, 17>;

inline Mark mark_of(char kind, ByteView bytes) {
  Mark out{static_cast<std::uint8_t>(kind)};
  std::ranges::copy(bytes.first(out.size() - 1), out.begin() + 1);
  return out;
}

// Remembers the last `most` marks. One that has a time is kept until then; the others make room, oldest first.
class Seen {
 public:
  explicit Seen(std::size_t most) : most_(most) {}

  bool has(const Mark& mark) const { return marks_.contains(mark); }

  // False, and nothing remembered, when all room is taken by what must be kept at `now`. `mark` must be new.
  bool add(const Mark& mark, std::optional<UnixTime> keep_until, UnixTime now) {
    if (order_.size() >= most_) {
      if (order_.front().keep_until > now) return false;
      marks_.erase(order_.front().mark);
      order_.pop_front();
    }
    marks_.insert(mark);
    order_.push_back({.mark = mark, .keep_until = keep_until.value_or(UnixTime())});
    return true;
  }

  std::size_t size() const { return order_.size(); }

 private:
  struct Entry {
    Mark mark;
    UnixTime keep_until;
  };

  std::size_t most_;
  std::deque<Entry> order_;
  std::set<Mark> marks_;
};

}  // namespace sallyport::sealed::eva
