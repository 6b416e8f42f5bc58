// The system calls that are left to the signer once its keys are in memory.
#pragma once

#include "base/result.h"

namespace sallyport::signer {

// Installs a seccomp filter over the whole process: reading, writing and accepting on descriptors that are open
// already, memory without execution, time, randomness, waiting, ending. Everything else (socket, connect, open, exec,
// fork, ptrace, …) fails with EPERM. Errc::unavailable when the kernel has no seccomp.
Result<void> enter_sandbox();

}  // namespace sallyport::signer
