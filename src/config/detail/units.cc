#include <charconv>
#include <limits>
#include <span>

#include "config/document.h"

namespace sallyport::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr Unit kDurations[] = {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
constexpr Unit kSizes[] = {{"B", 1},
                           {"kB", 1'000},
                           {"MB", 1'000'000},
                           {"GB", 1'000'000'000},
                           {"KiB", 1ULL << 10U},
                           {"MiB", 1ULL << 20U},
                           {"GiB", 1ULL << 30U}};

// quantity := digit+ unit
Result<std::uint64_t> parse_quantity(std::string_view text, std::span<const Unit> units, std::string_view want) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units) {
    if (error != std::errc() || name != unit.name) continue;
    if (count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit.factor)
      return fail(Errc::malformed, "the number is too large");
    return count * unit.factor;
  }
  return failf(Errc::malformed, "want {}", want);
}

}  // namespace

Result<milliseconds> parse_duration(std::string_view text) {
  TRY(auto count, parse_quantity(text, kDurations, "a number and a unit ms, s, m, h or d, as in \"10s\""));
  return milliseconds(static_cast<std::int64_t>(count));
}

Result<std::uint64_t> parse_size(std::string_view text) {
  return parse_quantity(text, kSizes, "a number and a unit B, kB, MB, GB, KiB, MiB or GiB, as in \"64kB\"");
}

}  // namespace sallyport::config
