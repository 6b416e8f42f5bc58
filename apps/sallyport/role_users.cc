#include "role_users.h"

#include <algorithm>
#include <array>

#include "base/result.h"

namespace sallyport::cli {
namespace {

constexpr std::array<std::string_view, 6> kRoles = {"signer", "authority", "gateway", "console", "relay", "status"};

}  // namespace

uid_t RoleUsers::of(std::string_view role) const {
  const auto found = std::ranges::find(kRoles, role);
  SALLYPORT_CHECK(found != kRoles.end());
  return single_ ? first_ : first_ + 1 + static_cast<uid_t>(found - kRoles.begin());
}

std::map<uid_t, std::set<std::string>> RoleUsers::roles_by_uid() const {
  std::map<uid_t, std::set<std::string>> out;
  for (const std::string_view role : kRoles) {
    if (role != "signer" && role != "authority") out[of(role)].emplace(role);
  }
  return out;
}

}  // namespace sallyport::cli
