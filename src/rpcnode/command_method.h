// A method that is a local program: the params on its standard input, the result on its standard output.
#pragma once

#include <string>
#include <vector>

#include "rpcnode/methods.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxCommandWords = 64;
inline constexpr std::size_t kMaxCommandOutput = 128U << 10U;

// Runs `words` (an absolute path and arguments, no shell; no text of the caller's is ever among them) with
// SALLYPORT_CALLER, SALLYPORT_METHOD and SALLYPORT_CALL_ID in an otherwise empty environment but PATH, in a process
// group of its own. Each line of its output but the last is told as progress; the last is the result, JSON, or a text
// where it is not JSON. Another exit status than 0 is RpcCode::failed, with what it wrote as the error's data; at the
// deadline the whole group is killed and the answer is RpcCode::timed_out.
net::Task<MethodResult> run_command(std::vector<std::string> words, MethodCall call);

}  // namespace sallyport::rpcnode
