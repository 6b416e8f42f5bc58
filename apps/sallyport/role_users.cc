#include "role_users.h"

#include <algorithm>
#include <array>

#include "base/result.h"

namespace sallyport::cli {
namespace {

// In the order of their users: a new one goes to the end.
constexpr std::array<std::string_view, 7> kRoles = {"signer", "authority", "gateway", "console",
                                                    "relay",  "status",    "caller"};
// Nobody of these asks the authority for anything.
constexpr std::array<std::string_view, 3> kStrangers = {"signer", "authority", "caller"};

}  // namespace

uid_t RoleUsers::of(std::string_view role) const {
  const auto found = std::ranges::find(kRoles, role);
  SALLYPORT_CHECK(found != kRoles.end());
  return single_ ? first_ : first_ + 1 + static_cast<uid_t>(found - kRoles.begin());
}

std::map<uid_t, std::set<std::string>> RoleUsers::roles_by_uid() const {
  std::map<uid_t, std::set<std::string>> out;
  for (const std::string_view role : kRoles) {
    if (std::ranges::find(kStrangers, role) == kStrangers.end()) out[of(role)].emplace(role);
  }
  return out;
}

}  // namespace sallyport::cli
