// The likeliest meaning of a mistyped name.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace sallyport::config {

// The fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string
// alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The name nearest to `typed`, absent when none is nearer than a third of its length (at least two edits are forgiven).
std::optional<std::string> closest_name(std::string_view typed, const std::set<std::string, std::less<>>& names);

}  // namespace sallyport::config
