#include "sealed/detail/tag_table.h"

namespace sallyport::sealed {
namespace {

constexpr std::size_t kFirstSlots = 512;

}  // namespace

TagTable::TagTable() : slots_(kFirstSlots) {}

std::size_t TagTable::locate(Tag tag) const {
  std::size_t index = home(tag);
  while (slots_[index].place.session != kEmpty && slots_[index].tag != tag) index = next(index);
  return index;
}

void TagTable::insert(Tag tag, Place place) {
  if (2 * (size_ + 1) > slots_.size()) grow();
  Slot& slot = slots_[locate(tag)];
  if (slot.place.session != kEmpty) return;
  slot = {.tag = tag, .place = place};
  ++size_;
}

std::optional<TagTable::Place> TagTable::find(Tag tag) const {
  const Slot& slot = slots_[locate(tag)];
  if (slot.place.session == kEmpty) return std::nullopt;
  return slot.place;
}

void TagTable::erase(Tag tag, Place place) {
  std::size_t hole = locate(tag);
  if (slots_[hole].place != place) return;
  // What stands behind the hole and would no longer be found moves into it.
  for (std::size_t index = next(hole); slots_[index].place.session != kEmpty; index = next(index)) {
    const std::size_t wanted = home(slots_[index].tag);
    const bool stays = hole < index ? (hole < wanted && wanted <= index) : (hole < wanted || wanted <= index);
    if (stays) continue;
    slots_[hole] = slots_[index];
    hole = index;
  }
  slots_[hole] = Slot{};
  --size_;
}

void TagTable::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  for (const Slot& slot : old) {
    if (slot.place.session != kEmpty) slots_[locate(slot.tag)] = slot;
  }
}

}  // namespace sallyport::sealed
