// --run-as: the user that a process of its own becomes.
#pragma once

#include "command.h"

namespace sallyport::cli {

// 65534 is nobody, 65535 and above are not one uid everywhere.
inline constexpr std::uint64_t kLargestUid = 65'533;

Option run_as_option();

// Becomes the user that --run-as names, or only gives up what more it could become; for the whole process.
// Errc::invalid on a number that is no user's, and what net::drop_privileges and net::forbid_new_privileges fail with.
Result<void> leave_root(const Arguments& arguments);

}  // namespace sallyport::cli
