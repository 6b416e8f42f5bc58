// Which user each role runs as: numbers of their own, so that no role can read another's files or memory.
#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace sallyport::cli {

// The uids (and gids) of the roles of one installation: a row from `first` on, or one user for all.
class RoleUsers {
 public:
  inline static constexpr uid_t kDefaultFirst = 61'000;

  static RoleUsers apart(uid_t first) { return RoleUsers(first, false); }
  static RoleUsers single(uid_t user) { return RoleUsers(user, true); }

  // `role` is one of signer, authority, gateway, console, relay, status, caller; anything else is a broken invariant.
  uid_t of(std::string_view role) const;
  bool is_single() const { return single_; }
  // Which roles a peer of that uid may act as towards the authority.
  std::map<uid_t, std::set<std::string>> roles_by_uid() const;

 private:
  RoleUsers(uid_t first, bool single) : first_(first), single_(single) {}
  uid_t first_;
  bool single_;
};

}  // namespace sallyport::cli
