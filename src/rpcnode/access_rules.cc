#include "rpcnode/access_rules.h"

#include <algorithm>
#include <array>
#include <span>

namespace sallyport::rpcnode {
namespace {

Result<void> check_patterns(std::span<const std::string> patterns, std::string_view list) {
  if (patterns.size() > kMaxPatterns)
    return failf(Errc::malformed, "{}: {} patterns, want at most {}", list, patterns.size(), kMaxPatterns);
  for (const std::string& pattern : patterns) {
    if (pattern.empty() || pattern.size() > kMaxPattern)
      return failf(Errc::malformed, "{}: pattern of {} characters, want 1 to {}", list, pattern.size(), kMaxPattern);
    if (std::ranges::any_of(pattern, [](char c) { return c < 0x21 || c > 0x7E; }))
      return failf(Errc::malformed, "{}: pattern: want printable ASCII without spaces", list);
  }
  return {};
}

// The first that matches, or null.
const std::string* find_match(std::span<const std::string> patterns, std::string_view text) {
  const auto found = std::ranges::find_if(patterns, [&](const std::string& pattern) { return matches(pattern, text); });
  return found == patterns.end() ? nullptr : &*found;
}

bool is_allowed_method(const AccessRules& rules, std::string_view method) {
  const std::string_view guard = guard_of(method);
  return std::ranges::any_of(
      rules.allow, [&](const std::string& pattern) { return matches(pattern, method) && pattern.starts_with(guard); });
}

Result<void> append_items(const codec::Json& value, std::vector<std::string>& out) {
  if (auto one = value.text()) {
    out.push_back(*std::move(one));
    return {};
  }
  auto several = value.array();
  if (!several) return fail(Errc::malformed, "params: items: want a text or an array of texts");
  if (several->size() + out.size() > kMaxItemsOfCall)
    return failf(Errc::overloaded, "params: more than {} items", kMaxItemsOfCall);
  for (const codec::Json& element : *several) {
    auto text = element.text();
    if (!text) return fail(Errc::malformed, "params: items: want texts alone");
    out.push_back(*std::move(text));
  }
  return {};
}

}  // namespace

std::string_view guard_of(std::string_view method) {
  if (method.starts_with(kManagementMethods)) return kManagementMethods;
  if (method == kPairMethod) return kPairMethod;
  return method == "services.open" || method == "services.close" ? "services." : "";
}

Result<void> check_rules(const AccessRules& rules) {
  TRY_VOID(check_patterns(rules.allow, "allow"));
  TRY_VOID(check_patterns(rules.deny, "deny"));
  TRY_VOID(check_patterns(rules.items, "items"));
  return check_patterns(rules.deny_items, "deny_items");
}

bool matches(std::string_view pattern, std::string_view text) {
  std::size_t at = 0, in_text = 0, star = std::string_view::npos, resume = 0;
  while (in_text < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      resume = in_text;
    } else if (at < pattern.size() && pattern[at] == text[in_text]) {
      ++at;
      ++in_text;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in_text = ++resume;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

Result<std::vector<std::string>> items_of(const codec::Json& params) {
  std::vector<std::string> out;
  if (!params.is_object()) return out;
  for (const std::string_view key : std::array<std::string_view, 3>{"i", "item", "items"}) {
    if (const codec::Json* value = params.find(key)) TRY_VOID(append_items(*value, out));
  }
  return out;
}

Result<void> check_access(const AccessRules& rules, std::string_view method, const codec::Json& params) {
  if (const std::string* denied = find_match(rules.deny, method))
    return failf(Errc::unauthorized, "method {}: denied by '{}'", method, *denied);
  if (!is_allowed_method(rules, method)) return failf(Errc::unauthorized, "method {}: nothing allows it", method);
  // Which of positional params is an item, nobody can tell.
  if ((!rules.items.empty() || !rules.deny_items.empty()) && params.array())
    return failf(Errc::unauthorized, "method {}: params by position, where items are ruled", method);
  TRY(const auto items, items_of(params));
  for (const std::string& item : items) {
    if (const std::string* denied = find_match(rules.deny_items, item))
      return failf(Errc::unauthorized, "method {}: an item is denied by '{}'", method, *denied);
    if (!rules.items.empty() && find_match(rules.items, item) == nullptr)
      return failf(Errc::unauthorized, "method {}: nothing allows one of its items", method);
  }
  return {};
}

}  // namespace sallyport::rpcnode
