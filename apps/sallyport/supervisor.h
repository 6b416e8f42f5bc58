// Starts role processes, starts them again when they end, and ends them in order.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace sallyport::cli {

// A process to be kept running.
struct ChildProcess {
  std::string name;                    // for the log: "relay 1"
  std::vector<std::string> arguments;  // of this very program
  // Descriptors it inherits, under their names in SALLYPORT_LISTEN. Owned by the supervisor's caller.
  std::vector<std::pair<std::string, int>> inherited;
  // How another process takes over from the running one: started with this argument more, after which the running one
  // ends by itself when it is no longer needed. Empty: none does.
  std::string succeeds_by;
};

// A child that ends is started again after this long, doubling up to the longest while it does not live kSettledAfter.
inline constexpr milliseconds kFirstRestart{100};
inline constexpr milliseconds kLongestRestart{5'000};
inline constexpr milliseconds kSettledAfter{10'000};
// How long children have to end by themselves.
inline constexpr milliseconds kStopLimit{3'000};

// What replaces a child is started this long after what replaced the one before; one that ends within it stops the
// replacing, and whoever it was to replace goes on.
inline constexpr milliseconds kReplaceInterval{3'000};
inline constexpr milliseconds kReplaceAgain{75'000};  // not again before what was replaced has handed over

// At SIGHUP the children that can be succeeded are replaced, one after another, by the program that then is where this
// one was started from. Runs `children` until SIGTERM or SIGINT, then ends them in reverse order: first by SIGTERM,
// after kStopLimit by SIGKILL. Children are told by a signal when this process dies without doing so. Errc::internal
// when none can be started.
Result<void> supervise(const std::vector<ChildProcess>& children, const Clock& clock);

// For a child's side, after it has changed its user: asks for SIGTERM when the supervisor dies; ends at once if it has.
void end_with_supervisor();

}  // namespace sallyport::cli
