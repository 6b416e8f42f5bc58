// What a tag stands for: one look for every DATA and every REPLY that comes.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace sallyport::sealed {

using Tag = std::uint64_t;

// Tags are the output of a pseudorandom function under keys of which both sides drew a part, so they are their own
// hash. Open addressing; grows, and never shrinks: bounded by sessions and window. `Place{}` is the place of no tag.
template <class Place>
class TagTable {
 public:
  TagTable() : slots_(kFirstSlots) {}
  // A tag that is there already stays as it is: of two equal tags in 2^64 the later is not found, and its request is
  // sent again under another.
  void insert(Tag tag, const Place& place);
  std::optional<Place> find(Tag tag) const;
  // Removes `tag` when it stands for `place`.
  void erase(Tag tag, const Place& place);
  void clear();
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kFirstSlots = 64;
  struct Slot {
    Tag tag = 0;
    Place place{};
    bool is_empty() const { return place == Place{}; }
  };
  std::size_t home(Tag tag) const { return tag & (slots_.size() - 1); }
  std::size_t next(std::size_t index) const { return (index + 1) & (slots_.size() - 1); }
  // Where `tag` is, or the empty slot where it would be.
  std::size_t locate(Tag tag) const;
  void grow();

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

template <class Place>
std::size_t TagTable<Place>::locate(Tag tag) const {
  std::size_t index = home(tag);
  while (!slots_[index].is_empty() && slots_[index].tag != tag) index = next(index);
  return index;
}

template <class Place>
void TagTable<Place>::insert(Tag tag, const Place& place) {
  if (2 * (size_ + 1) > slots_.size()) grow();
  Slot& slot = slots_[locate(tag)];
  if (!slot.is_empty()) return;
  slot = {.tag = tag, .place = place};
  ++size_;
}

template <class Place>
std::optional<Place> TagTable<Place>::find(Tag tag) const {
  const Slot& slot = slots_[locate(tag)];
  if (slot.is_empty()) return std::nullopt;
  return slot.place;
}

template <class Place>
void TagTable<Place>::erase(Tag tag, const Place& place) {
  std::size_t hole = locate(tag);
  if (slots_[hole].is_empty() || slots_[hole].place != place) return;
  // What stands behind the hole and would no longer be found moves into it.
  for (std::size_t index = next(hole); !slots_[index].is_empty(); index = next(index)) {
    const std::size_t wanted = home(slots_[index].tag);
    const bool stays = hole < index ? (hole < wanted && wanted <= index) : (hole < wanted || wanted <= index);
    if (stays) continue;
    slots_[hole] = slots_[index];
    hole = index;
  }
  slots_[hole] = Slot{};
  --size_;
}

template <class Place>
void TagTable<Place>::clear() {
  slots_.assign(slots_.size(), Slot{});
  size_ = 0;
}

template <class Place>
void TagTable<Place>::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  for (const Slot& slot : old) {
    if (!slot.is_empty()) slots_[locate(slot.tag)] = slot;
  }
}

}  // namespace sallyport::sealed
