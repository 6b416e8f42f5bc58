#include "net/known_sources.h"

#include <iterator>

namespace sallyport::net {

void KnownSources::remember(const std::string& source, Instant now) {
  if (const auto found = by_source_.find(source); found != by_source_.end()) {
    found->second->seen = now;
    entries_.splice(entries_.end(), entries_, found->second);
    return;
  }
  if (most_ == 0) return;
  if (entries_.size() >= most_) {
    by_source_.erase(entries_.front().source);
    entries_.pop_front();
  }
  entries_.push_back({.source = source, .seen = now});
  by_source_.emplace(source, std::prev(entries_.end()));
}

bool KnownSources::contains(std::string_view source, Instant now) const {
  const auto found = by_source_.find(source);
  return found != by_source_.end() && now - found->second->seen < life_;
}

}  // namespace sallyport::net
