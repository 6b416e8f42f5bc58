#include "base/log_budget.h"

#include <utility>

namespace sallyport::log {

Budget::Entry& Budget::entry_of(std::string_view source, Instant now) {
  const auto found = sources_.find(source);
  if (found != sources_.end()) return found->second;
  if (sources_.size() >= most_ && now >= next_sweep_) {
    next_sweep_ = now + interval_;
    std::erase_if(sources_, [&](const auto& each) {
      const bool is_over = each.second.next <= now;
      if (is_over) others_.left_out += each.second.left_out;
      return is_over;
    });
  }
  return sources_.size() < most_ ? sources_.emplace(source, Entry{}).first->second : others_;
}

std::optional<std::uint64_t> Budget::take(std::string_view source, Instant now) {
  Entry& entry = entry_of(source, now);
  if (now < entry.next) {
    ++entry.left_out;
    return std::nullopt;
  }
  entry.next = now + interval_;
  return std::exchange(entry.left_out, 0);
}

}  // namespace sallyport::log
