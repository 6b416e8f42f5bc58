#include "net/privileges.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport::net {
namespace {

std::unexpected<Error> refused(std::string_view call) {
  const int cause = errno;
  return failf(cause == EPERM ? Errc::unauthorized : Errc::internal, "privileges: {}: {}", call, ::strerror(cause));
}

bool is_exactly(RoleUser user) {
  uid_t real = 0;
  uid_t effective = 0;
  uid_t saved = 0;
  gid_t real_group = 0;
  gid_t effective_group = 0;
  gid_t saved_group = 0;
  if (::getresuid(&real, &effective, &saved) != 0 || ::getresgid(&real_group, &effective_group, &saved_group) != 0) {
    return false;
  }
  return real == user.uid && effective == user.uid && saved == user.uid && real_group == user.gid &&
         effective_group == user.gid && saved_group == user.gid;
}

}  // namespace

Result<void> drop_privileges(RoleUser user) {
  if (user.uid == 0 || user.gid == 0)
    return fail(Errc::conflict, "privileges: found uid or gid 0, want a user of its own");
  if (!is_exactly(user)) {
    if (::setgroups(0, nullptr) != 0) return refused("setgroups");
    if (::setresgid(user.gid, user.gid, user.gid) != 0) return refused("setresgid");
    if (::setresuid(user.uid, user.uid, user.uid) != 0) return refused("setresuid");
  }
  if (!is_exactly(user) || ::setuid(0) == 0 || ::setgid(0) == 0) {
    return fail(Errc::internal, "privileges: the process could become root again");
  }
  return forbid_new_privileges();
}

Result<void> forbid_new_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refused("no_new_privs");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return refused("dumpable");
  return {};
}

// The soft limit alone, so that it can be lifted.
Result<void> limit_memory(std::uint64_t bytes) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0) return failf(Errc::unavailable, "RLIMIT_DATA: {}", std::strerror(errno));
  limit.rlim_cur = std::min<rlim_t>(bytes, limit.rlim_max);
  if (::setrlimit(RLIMIT_DATA, &limit) != 0) return failf(Errc::unavailable, "RLIMIT_DATA: {}", std::strerror(errno));
  return {};
}

MemoryLimitLifted::MemoryLimitLifted() {
  rlimit limit{};
  ::getrlimit(RLIMIT_DATA, &limit);
  before_ = std::exchange(limit.rlim_cur, limit.rlim_max);
  ::setrlimit(RLIMIT_DATA, &limit);
}

MemoryLimitLifted::~MemoryLimitLifted() {
  rlimit limit{};
  ::getrlimit(RLIMIT_DATA, &limit);
  limit.rlim_cur = std::min(before_, limit.rlim_max);
  ::setrlimit(RLIMIT_DATA, &limit);
}

}  // namespace sallyport::net
