#include "sealed/detail/session_table.h"

#include <algorithm>
#include <ranges>

namespace sallyport::sealed {
namespace {

// A session still receives and answers for this long after its end (§4).
constexpr seconds kOldSession{30};

}  // namespace

template <class Range, class MayGo>
std::uint32_t SessionTable::longest_unused(const Range& slots, MayGo may_go) const {
  const Open* oldest = nullptr;
  std::uint32_t found = 0;
  for (const std::uint32_t slot : slots) {
    const Open* const open = slots_[slot].get();
    if (open == nullptr || !may_go(*open) || (oldest != nullptr && oldest->last_use <= open->last_use)) continue;
    oldest = open;
    found = slot;
  }
  SALLYPORT_CHECK(oldest != nullptr);
  return found;
}

void SessionTable::make_place(const Principal& principal) {
  const auto anything = [](const Open&) { return true; };
  const auto unused = [](const Open& open) { return !open.is_used; };
  if (const auto own = of_.find(principal); own != of_.end()) {
    const auto is_unused = [&](std::uint32_t slot) { return unused(*slots_[slot]); };
    const auto idle = static_cast<std::size_t>(std::ranges::count_if(own->second, is_unused));
    if (idle >= limits_.unused_sessions_per_principal) {
      close(longest_unused(own->second, unused));
    } else if (own->second.size() >= limits_.sessions_per_principal) {
      close(longest_unused(own->second, anything));
    }
  }
  if (open_ < limits_.sessions) return;
  close(longest_unused(std::views::iota(std::uint32_t{0}, static_cast<std::uint32_t>(slots_.size())), anything));
}

ReplyTo SessionTable::reserve(const Principal& principal, std::string inbox_topic, UnixTime now, UnixTime until) {
  make_place(principal);
  std::uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot] = std::make_unique<Open>(Open{.principal = principal,
                                             .inbox_topic = std::move(inbox_topic),
                                             .opened = now,
                                             .until = until,
                                             .generation = ++generations_,
                                             .last_use = ++uses_});
  of_[principal].push_back(slot);
  ++open_;
  return {.slot = slot, .generation = generations_};
}

void SessionTable::start(const ReplyTo& place, const SessionKeys& keys) {
  find(place)->session = std::make_unique<NodeSession>(keys, tags_, place.slot);
}

SessionTable::Found SessionTable::find(Tag tag, UnixTime now) {
  const auto place = tags_.find(tag);
  if (!place) return {};
  Open& open = *slots_[place->session];
  if (is_over(open, now)) return {};
  return {.open = &open, .to = {.slot = place->session, .generation = open.generation, .request = place->request}};
}

SessionTable::Open* SessionTable::find(const ReplyTo& to) {
  Open* const open = to.slot < slots_.size() ? slots_[to.slot].get() : nullptr;
  return open != nullptr && open->generation == to.generation ? open : nullptr;
}

const SessionTable::Open* SessionTable::find(const ReplyTo& to) const {
  const Open* const open = to.slot < slots_.size() ? slots_[to.slot].get() : nullptr;
  return open != nullptr && open->generation == to.generation ? open : nullptr;
}

void SessionTable::touch(Open& open) {
  open.is_used = true;
  open.last_use = ++uses_;
}

bool SessionTable::is_over(const Open& open, UnixTime now) const {
  return now > std::min(open.opened + limits_.session_life + kOldSession, open.until);
}

void SessionTable::close(std::uint32_t slot) {
  const auto own = of_.find(slots_[slot]->principal);
  std::erase(own->second, slot);
  if (own->second.empty()) of_.erase(own);
  slots_[slot].reset();
  free_.push_back(slot);
  --open_;
}

void SessionTable::close_of(const Principal& principal) {
  const auto own = of_.find(principal);
  if (own == of_.end()) return;
  const std::vector<std::uint32_t> slots = own->second;
  for (const std::uint32_t slot : slots) close(slot);
}

void SessionTable::close_old(UnixTime now) {
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot] && is_over(*slots_[slot], now)) close(slot);
  }
}

}  // namespace sallyport::sealed
