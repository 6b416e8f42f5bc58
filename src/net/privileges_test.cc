#include "net/privileges.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace sallyport::net {
namespace {

// Runs `body` in a child and returns its exit status; 99 when it did not exit by itself.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 99;
  return WEXITSTATUS(status);
}

TEST(Privileges, RootIsNoUserOfItsOwn) {
  auto dropped = drop_privileges({.uid = 0, .gid = 1});
  ASSERT_FALSE(dropped);
  EXPECT_EQ(dropped.error().code, Errc::conflict);
  EXPECT_FALSE(drop_privileges({.uid = 1, .gid = 0}));
}

TEST(Privileges, AreGoneForGood) {
  constexpr RoleUser kUser{.uid = 61'234, .gid = 61'235};
  const bool is_root = ::geteuid() == 0;
  EXPECT_EQ(in_child([&] {
              auto dropped = drop_privileges(kUser);
              if (!is_root) return !dropped && dropped.error().code == Errc::unauthorized ? 0 : 1;
              if (!dropped) return 2;
              if (::getuid() != kUser.uid || ::getegid() != kUser.gid || ::getgroups(0, nullptr) != 0) return 3;
              if (::setresuid(0, 0, 0) == 0 || ::seteuid(0) == 0) return 4;
              return drop_privileges(kUser) ? 0 : 5;
            }),
            0);
}

TEST(Privileges, NothingCanBeGainedOrTracedAfter) {
  EXPECT_EQ(in_child([] {
              if (!forbid_new_privileges()) return 1;
              if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 2;
              return ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 3;
            }),
            0);
}

// Whether `bytes` of writable memory can be had.
bool can_have(std::size_t bytes) {
  void* const found = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return found != MAP_FAILED;  // NOLINT(performance-no-int-to-ptr): the system's own
}

TEST(Privileges, NoMoreMemoryThanTheLimitCanBeHadUntilItIsLifted) {
  constexpr std::size_t kMuch = std::size_t{1} << 30U;
  EXPECT_EQ(in_child([] {
              if (!can_have(kMuch)) return 1;
              if (!limit_memory(kMuch / 2)) return 2;
              if (can_have(kMuch)) return 3;
              {
                const MemoryLimitLifted lifted;
                if (!can_have(kMuch)) return 4;
                if (in_child([] { return can_have(kMuch) ? 0 : 1; }) != 0) return 5;
              }
              return can_have(kMuch) ? 6 : 0;
            }),
            0);
}

}  // namespace
}  // namespace sallyport::net
