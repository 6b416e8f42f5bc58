// Many small entries by key in little memory, without a hash that the maker of keys could make slow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

namespace sallyport::records {

// Entries below this number are never moved into the sorted part by themselves.
inline constexpr std::size_t kMinRecentEntries = 1'024;
// The sorted part grows when the recent one has this part of it.
inline constexpr std::size_t kRecentDivisor = 8;

// `Entry` has key(), whose type is totally ordered. Two parts: a sorted vector, and a tree of what came since; an entry
// costs its own size in the first. Finding costs two binary searches, putting a logarithm on average. Not thread-safe.
template <class Entry>
class CompactTable {
 public:
  using Key = decltype(std::declval<const Entry&>().key());

  // Borrowed until the next put(); null when there is none.
  const Entry* find(const Key& key) const {
    if (const auto recent = recent_.find(key); recent != recent_.end()) return &*recent;
    const auto found = std::lower_bound(sorted_.begin(), sorted_.end(), key, ByKey{});
    return found != sorted_.end() && found->key() == key ? &*found : nullptr;
  }

  // Inserts, or replaces the entry of the same key.
  void put(const Entry& entry) {
    if (find(entry.key()) == nullptr) ++size_;
    const auto [place, is_new] = recent_.insert(entry);
    if (!is_new) recent_.insert(recent_.erase(place), entry);
    if (recent_.size() >= std::max(kMinRecentEntries, sorted_.size() / kRecentDivisor)) merge();
  }

  // Every entry once, until `visit` returns false.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Entry& entry : recent_) {
      if (!visit(entry)) return;
    }
    for (const Entry& entry : sorted_) {
      if (!recent_.contains(entry.key()) && !visit(entry)) return;
    }
  }

  std::size_t size() const { return size_; }

 private:
  struct ByKey {
    using is_transparent = void;
    bool operator()(const Entry& a, const Entry& b) const { return a.key() < b.key(); }
    bool operator()(const Entry& a, const Key& b) const { return a.key() < b; }
    bool operator()(const Key& a, const Entry& b) const { return a < b.key(); }
  };

  void merge() {
    std::vector<Entry> merged;
    merged.reserve(size_);
    auto recent = recent_.begin();
    for (const Entry& entry : sorted_) {
      while (recent != recent_.end() && recent->key() < entry.key()) merged.push_back(*recent++);
      if (recent == recent_.end() || entry.key() < recent->key()) merged.push_back(entry);
    }
    merged.insert(merged.end(), recent, recent_.end());
    sorted_ = std::move(merged);
    recent_.clear();
  }

  std::vector<Entry> sorted_;
  std::set<Entry, ByKey> recent_;  // stands before an entry of the same key in sorted_
  std::size_t size_ = 0;
};

}  // namespace sallyport::records
