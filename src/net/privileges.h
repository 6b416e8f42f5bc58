// Giving up what a role does not need, before it reads a byte from the network (ARCHITECTURE.md, Privilege map).
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>

#include "base/result.h"

namespace sallyport::net {

// Who a role becomes: a numeric uid of its own and the group of the same number.
struct RoleUser {
  uid_t uid = 0;
  gid_t gid = 0;
};

// Leaves supplementary groups, group and user for `user`, for good, and then does what forbid_new_privileges() does.
// All threads of the process change. Errc::unauthorized unless the process is root or is `user` already; Errc::conflict
// for uid or gid 0; Errc::internal when root could be regained.
Result<void> drop_privileges(RoleUser user);

// Sets no_new_privs, so that no program executed from here on can gain anything, and makes the process undumpable:
// other processes of the same user can neither trace it nor read its memory.
Result<void> forbid_new_privileges();

// Limits what this process may have of writable memory of its own (RLIMIT_DATA). Errc::unavailable.
Result<void> limit_memory(std::uint64_t bytes);

// While it exists, what this process starts is under no limit of limit_memory()'s, and it itself neither.
class MemoryLimitLifted {
 public:
  MemoryLimitLifted();
  ~MemoryLimitLifted();
  MemoryLimitLifted(const MemoryLimitLifted&) = delete;
  MemoryLimitLifted& operator=(const MemoryLimitLifted&) = delete;

 private:
  rlim_t before_ = 0;
};

}  // namespace sallyport::net
