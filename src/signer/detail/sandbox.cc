#include "signer/detail/sandbox.h"

#include <seccomp.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace sallyport::signer {
namespace {

struct ReleaseFilter {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

// Calls on what is open already, and those that end, wait or tell the time.
constexpr std::array kAllowed{SCMP_SYS(read),
                              SCMP_SYS(write),
                              SCMP_SYS(readv),
                              SCMP_SYS(writev),
                              SCMP_SYS(pwrite64),
                              SCMP_SYS(fdatasync),
                              SCMP_SYS(recvmsg),
                              SCMP_SYS(sendmsg),
                              SCMP_SYS(recvfrom),
                              SCMP_SYS(sendto),
                              SCMP_SYS(accept),
                              SCMP_SYS(accept4),
                              SCMP_SYS(shutdown),
                              SCMP_SYS(close),
                              SCMP_SYS(getsockopt),
                              SCMP_SYS(setsockopt),
                              SCMP_SYS(getsockname),
                              SCMP_SYS(getpeername),
                              SCMP_SYS(fcntl),
                              SCMP_SYS(ioctl),
                              SCMP_SYS(fstat),
                              SCMP_SYS(lseek),
                              SCMP_SYS(poll),
                              SCMP_SYS(ppoll),
                              SCMP_SYS(epoll_wait),
                              SCMP_SYS(epoll_pwait),
                              SCMP_SYS(epoll_ctl),
                              SCMP_SYS(timerfd_settime),
                              SCMP_SYS(timerfd_gettime),
                              SCMP_SYS(eventfd2),
                              SCMP_SYS(futex),
                              SCMP_SYS(sched_yield),
                              SCMP_SYS(nanosleep),
                              SCMP_SYS(clock_nanosleep),
                              SCMP_SYS(clock_gettime),
                              SCMP_SYS(clock_getres),
                              SCMP_SYS(gettimeofday),
                              SCMP_SYS(time),
                              SCMP_SYS(getrandom),
                              SCMP_SYS(brk),
                              SCMP_SYS(munmap),
                              SCMP_SYS(mremap),
                              SCMP_SYS(madvise),
                              SCMP_SYS(rt_sigaction),
                              SCMP_SYS(rt_sigprocmask),
                              SCMP_SYS(rt_sigreturn),
                              SCMP_SYS(sigaltstack),
                              SCMP_SYS(restart_syscall),
                              SCMP_SYS(getpid),
                              SCMP_SYS(gettid),
                              SCMP_SYS(getuid),
                              SCMP_SYS(geteuid),
                              SCMP_SYS(getgid),
                              SCMP_SYS(getegid),
                              SCMP_SYS(tgkill),
                              SCMP_SYS(set_robust_list),
                              SCMP_SYS(rseq),
                              SCMP_SYS(exit),
                              SCMP_SYS(exit_group)};

int fill(scmp_filter_ctx filter) {
  for (const int call : kAllowed) {
    if (const int status = ::seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0); status != 0) return status;
  }
  // Memory may be mapped and protected, never made executable.
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    const scmp_arg_cmp no_execution{.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = 0};
    if (const int status = ::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &no_execution); status != 0) {
      return status;
    }
  }
  return ::seccomp_load(filter);
}

}  // namespace

Result<void> enter_sandbox() {
  const Filter filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return fail(Errc::unavailable, "sandbox: the kernel offers no seccomp filter");
  if (const int status = fill(filter.get()); status != 0) {
    return failf(Errc::unavailable, "sandbox: the filter was refused: {}", ::strerror(-status));
  }
  return {};
}

}  // namespace sallyport::signer
