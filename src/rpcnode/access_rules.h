// What a caller may do at a node: methods and items, allowed and denied by patterns. Default deny; a denial wins.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxPatterns = 64;      // of one list
inline constexpr std::size_t kMaxPattern = 128;      // characters
inline constexpr std::size_t kMaxItemsOfCall = 256;  // that one call may name

// Methods about what a node lets in.
inline constexpr std::string_view kManagementMethods = "keys.";
inline constexpr std::string_view kPairMethod = "pair";

// The words with which a pattern must begin to reach `method`, since it changes what a node or its device lets in: "*"
// does not cover keys.…, pair, services.open and services.close. Empty for all others.
std::string_view guard_of(std::string_view method);

// Patterns are texts in which '*' stands for any run of characters.
struct AccessRules {
  std::vector<std::string> allow;       // methods
  std::vector<std::string> deny;        // methods
  std::vector<std::string> items;       // that calls may name; empty: any
  std::vector<std::string> deny_items;  // that they may not
  friend bool operator==(const AccessRules&, const AccessRules&) = default;
};

// Fails with Errc::malformed on too many or too long patterns, empty ones, and characters outside printable ASCII.
Result<void> check_rules(const AccessRules& rules);

// Whether `pattern` matches all of `text`. Linear in the product of their lengths at worst; allocates nothing.
bool matches(std::string_view pattern, std::string_view text);

// The items that a call's params name: the text or texts at "i", "item" or "items". Errc::malformed for another type
// there, Errc::overloaded beyond kMaxItemsOfCall.
Result<std::vector<std::string>> items_of(const codec::Json& params);

// Errc::unauthorized with the rule that decided: "method pump.start: denied by 'pump.*'".
Result<void> check_access(const AccessRules& rules, std::string_view method, const codec::Json& params);

}  // namespace sallyport::rpcnode
