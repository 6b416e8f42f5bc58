#include "tlog/aligner.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport::tlog {
namespace {

constexpr std::array<std::string_view, 9> kFaults = {"missing",    "altered",        "misplaced",
                                                     "unexpected", "malformed",      "bad-tile",
                                                     "wrong-root", "bad-checkpoint", "audit-gap"};

// How far behind the front `hash` stands, among the first kAlignWindow.
std::optional<std::size_t> distance_to(const std::deque<Hash>& list, const Hash& hash) {
  const auto end = list.begin() + static_cast<std::ptrdiff_t>(std::min(list.size(), kAlignWindow));
  const auto at = std::find(list.begin(), end, hash);
  if (at == end) return std::nullopt;
  return static_cast<std::size_t>(at - list.begin());
}

}  // namespace

std::string_view to_string(LogFault fault) {
  return kFaults[static_cast<std::size_t>(fault)];
}

void Aligner::expect(const Hash& hash) {
  expected_.push_back(hash);
  judge_while(2 * kAlignWindow);
}

void Aligner::find(const Hash& hash) {
  found_.push_back(hash);
  judge_while(2 * kAlignWindow);
}

void Aligner::add(std::uint64_t index, LogFault fault, std::string detail) {
  if (findings_.size() < kMaxFindings) findings_.push_back({index, fault, std::move(detail)});
}

void Aligner::drop_expected() {
  expected_.pop_front();
  ++index_;
}

// Judges as long as both lists have at least `waiting` ahead, so that a later place of an entry is still seen.
void Aligner::judge_while(std::size_t waiting) {
  while (expected_.size() >= waiting && found_.size() >= waiting) judge_front();
}

void Aligner::judge_front() {
  if (found_.front() == expected_.front()) {
    found_.pop_front();
    drop_expected();
    return;
  }
  const auto belongs = distance_to(expected_, found_.front());
  const auto stands = distance_to(found_, expected_.front());
  if (belongs && stands) {
    add(index_, LogFault::misplaced,
        fmt::format("found entry {} in its place, and it at {}", index_ + *belongs, index_ + *stands));
    if (*belongs == *stands) {
      add(index_ + *stands, LogFault::misplaced, fmt::format("found entry {} in its place", index_));
    }
    std::swap(found_.front(), found_[*stands]);
  } else if (belongs) {
    for (std::size_t i = 0; i < *belongs; ++i) {
      add(index_, LogFault::missing,
          fmt::format("found entry {} after {}, want this one between", index_ + *belongs - i,
                      index_ == 0 ? std::string("the beginning") : std::to_string(index_ - 1)));
      drop_expected();
    }
  } else if (stands) {
    for (std::size_t i = 0; i < *stands; ++i) {
      add(index_, LogFault::unexpected, "found an entry before it that the tree does not have");
      found_.pop_front();
    }
  } else {
    add(index_, LogFault::altered, "found another content, want the one that the tree has");
    found_.pop_front();
    drop_expected();
  }
}

void Aligner::finish() {
  while (!expected_.empty() && !found_.empty()) judge_front();
  while (!expected_.empty()) {
    add(index_, LogFault::missing, "found the end, want this entry");
    drop_expected();
  }
  for (; !found_.empty(); found_.pop_front()) {
    add(index_, LogFault::unexpected, "found an entry, want the end");
  }
  std::ranges::sort(findings_, {}, [](const LogFinding& each) { return std::pair(each.index, each.fault); });
}

}  // namespace sallyport::tlog
