#include "mqtt/topic.h"

#include <algorithm>

#include "mqtt/detail/text.h"

namespace sallyport::mqtt {
namespace {

Result<void> check_size(std::string_view text, std::string_view what) {
  if (text.empty()) return failf(Errc::malformed, "{}: empty", what);
  if (text.size() > kMaxTopicBytes)
    return failf(Errc::overloaded, "{}: {} bytes, want at most {}", what, text.size(), kMaxTopicBytes);
  const auto levels = static_cast<std::size_t>(std::ranges::count(text, '/')) + 1;
  if (levels > kMaxTopicLevels)
    return failf(Errc::overloaded, "{}: {} levels, want at most {}", what, levels, kMaxTopicLevels);
  return {};
}

// Takes the first level off `rest` and says whether others follow.
bool take_level(std::string_view& rest, std::string_view& level) {
  const std::size_t end = rest.find('/');
  level = rest.substr(0, end);
  if (end == std::string_view::npos) {
    rest = {};
    return false;
  }
  rest.remove_prefix(end + 1);
  return true;
}

Result<void> check_wildcards(std::string_view text) {
  bool more = true;
  while (more) {
    std::string_view level;
    more = take_level(text, level);
    const bool has_wildcard = level.find_first_of("+#") != std::string_view::npos;
    if (has_wildcard && level.size() > 1)
      return fail(Errc::malformed, "topic filter: a wildcard beside other characters, want it alone in its level");
    if (level == "#" && more) return fail(Errc::malformed, "topic filter: '#' before the last level");
  }
  return {};
}

}  // namespace

Result<Topic> parse_topic(std::string_view text) {
  TRY_VOID(check_wire_topic(text));
  TRY_VOID(check_size(text, "topic"));
  return Topic(std::string(text));
}

Result<TopicFilter> parse_topic_filter(std::string_view text) {
  TRY_VOID(check_size(text, "topic filter"));
  if (!is_plain_utf8(text)) return fail(Errc::malformed, "topic filter: not UTF-8, or a control character");
  if (text.starts_with("$share/")) return fail(Errc::malformed, "topic filter: a shared subscription");
  TRY_VOID(check_wildcards(text));
  return TopicFilter(std::string(text));
}

bool matches(const TopicFilter& filter, const Topic& topic) {
  std::string_view wanted = filter.get();
  std::string_view there = topic.get();
  if (there.starts_with('$') && wanted.find_first_of("+#") == 0) return false;
  bool more_wanted = true;
  bool more_there = true;
  while (more_wanted && more_there) {
    std::string_view want;
    std::string_view have;
    more_wanted = take_level(wanted, want);
    if (want == "#") return true;
    more_there = take_level(there, have);
    if (want != "+" && want != have) return false;
  }
  // "a/#" is for "a" too (MQTT 5 §4.7.1.2).
  return more_wanted == more_there || (more_wanted && wanted == "#");
}

}  // namespace sallyport::mqtt
