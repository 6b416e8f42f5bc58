// Other people's programs, run without a shell.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace sallyport::cli {

inline constexpr std::size_t kMaxToolOutput = 64U << 10U;

struct ToolResult {
  int status = 0;      // exit status; 128 + signal when it was killed
  std::string output;  // of both streams, its first kMaxToolOutput bytes, without the last line's end
};

// Runs `words[0]`, found in PATH, and waits for its end. Errc::not_found when there is no such program.
Result<ToolResult> run_tool(std::vector<std::string> words);

}  // namespace sallyport::cli
