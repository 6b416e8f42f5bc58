#include "explore.h"

#include <algorithm>
#include <cstdlib>
#include <unordered_set>

#include <fmt/format.h>

namespace sallyport::crash {
namespace {

constexpr std::size_t kMaxBroken = 5;
constexpr std::size_t kBarrenRounds = 20;  // after so many rounds with nothing new there is no more to find

Survival survival_of(std::size_t round) {
  return static_cast<Survival>(round < kSurvivals ? round : 2 + round % (kSurvivals - 2U));
}

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  return (a ^ (b + 0x9E3779B97F4A7C15U)) * 0xBF58476D1CE4E5B9U;
}

}  // namespace

Explored explore(const Recording& recording, std::size_t wanted, std::uint64_t seed, const Examine& examine) {
  Explored out;
  out.points = recording.operations.size() + 1;
  std::unordered_set<std::uint64_t> images;
  std::unordered_set<std::uint64_t> examined;
  std::size_t barren = 0;
  for (std::size_t round = 0; images.size() < wanted && barren < kBarrenRounds; ++round) {
    const std::size_t before = images.size();
    Disk disk(recording.base);
    for (std::size_t point = 0; point < out.points && images.size() < wanted; ++point) {
      if (point > 0) disk.apply(recording.operations[point - 1]);
      const std::uint64_t own_seed = mixed(mixed(seed, round), point);
      SeededRandom random(own_seed);
      const Image left = disk.crash(survival_of(round), random);
      const std::uint64_t print = fingerprint(left);
      images.insert(print);
      const auto promised = std::ranges::upper_bound(recording.promises, point) - recording.promises.begin();
      if (!examined.insert(mixed(print, static_cast<std::uint64_t>(promised))).second) continue;
      ++out.openings;
      const std::string wrong = examine(left, point, own_seed);
      if (wrong.empty()) continue;
      out.broken.push_back(fmt::format("after operation {} of {}, round {}, survival {}, seed {:#x}: {}", point,
                                       out.points - 1, round, static_cast<int>(survival_of(round)), own_seed, wrong));
      if (out.broken.size() >= kMaxBroken) break;
    }
    if (out.broken.size() >= kMaxBroken) break;
    barren = images.size() == before ? barren + 1 : 0;
  }
  out.states = images.size();
  return out;
}

std::size_t wanted_states(std::size_t usual, std::size_t at_length) {
  const char* asked = std::getenv("SALLYPORT_LONG");  // NOLINT(concurrency-mt-unsafe): nothing sets it
  return asked != nullptr && std::string_view(asked) == "1" ? at_length : usual;
}

}  // namespace sallyport::crash
