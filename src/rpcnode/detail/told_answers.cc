#include "rpcnode/detail/told_answers.h"

#include <algorithm>
#include <array>
#include <span>

#include "rpcnode/access_rules.h"
#include "rpcnode/methods.h"
#include "rpcnode/node_keys.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

constexpr std::size_t kMaxToldText = 1'024;

enum class ToldKind : std::uint8_t { text, text_or_null, count, boolean, texts };
struct ToldMember {
  std::string_view name;
  ToldKind kind;
};

constexpr std::array kInfoMembers = {ToldMember{"node", ToldKind::text}, ToldMember{"version", ToldKind::text},
                                     ToldMember{"you", ToldKind::text}, ToldMember{"up_s", ToldKind::count}};
constexpr std::array kMethodMembers = {ToldMember{"name", ToldKind::text}, ToldMember{"description", ToldKind::text},
                                       ToldMember{"idempotent", ToldKind::boolean},
                                       ToldMember{"limit_ms", ToldKind::count}};
constexpr std::array kKeyMembers = {
    ToldMember{"id", ToldKind::text},       ToldMember{"comment", ToldKind::text},
    ToldMember{"allow", ToldKind::texts},   ToldMember{"deny", ToldKind::texts},
    ToldMember{"items", ToldKind::texts},   ToldMember{"deny_items", ToldKind::texts},
    ToldMember{"made", ToldKind::text},     ToldMember{"expires", ToldKind::text_or_null},
    ToldMember{"secrets", ToldKind::count}, ToldMember{"calls_per_minute", ToldKind::count}};
constexpr std::array kSecretMembers = {ToldMember{"key", ToldKind::text}};

bool is_told_text(const Json& value) {
  const auto text = value.text();
  return text && text->size() <= kMaxToldText;
}

bool is_of_kind(const Json& value, ToldKind kind) {
  switch (kind) {
    case ToldKind::text:
      return is_told_text(value);
    case ToldKind::text_or_null:
      return value.is_null() || is_told_text(value);
    case ToldKind::count:
      return value.integer().value_or(-1) >= 0;
    case ToldKind::boolean:
      return value.boolean().has_value();
    case ToldKind::texts: {
      const auto list = value.array();
      return list && list->size() <= kMaxPatterns && std::ranges::all_of(*list, is_told_text);
    }
  }
  return false;
}

Result<Json::Object> take_members(const Json& told, std::span<const ToldMember> members) {
  Json::Object out;
  for (const ToldMember& member : members) {
    const Json* const value = told.find(member.name);
    if (value == nullptr || !is_of_kind(*value, member.kind))
      return failf(Errc::malformed, "the node's answer: {} is missing, or not what it should be", member.name);
    out.emplace(std::string(member.name), *value);
  }
  return out;
}

Result<Json> take_list(const Json& told, std::span<const ToldMember> members, std::size_t most) {
  const auto list = told.array();
  if (!list || list->size() > most) return failf(Errc::malformed, "the node's answer: want a list of at most {}", most);
  Json::Array out;
  for (const Json& element : *list) {
    TRY(auto taken, take_members(element, members));
    out.emplace_back(std::move(taken));
  }
  return Json(std::move(out));
}

}  // namespace

Result<Json> check_told_info(const Json& told) {
  TRY(auto out, take_members(told, kInfoMembers));
  const Json* const methods = told.find("methods");
  TRY(auto listed, take_list(methods == nullptr ? Json() : *methods, kMethodMembers, kMaxMethods));
  out.emplace("methods", std::move(listed));
  return Json(std::move(out));
}

Result<Json> check_told_keys(const Json& told) {
  return take_list(told, kKeyMembers, kMaxNodeKeys);
}

Result<Json> check_told_secret(const Json& told) {
  TRY(auto out, take_members(told, kSecretMembers));
  return Json(std::move(out));
}

}  // namespace sallyport::rpcnode
