// One call over HTTPS with certificates on both sides (rpcnode/https_way.h).
#pragma once

#include "rpc_caller.h"

namespace sallyport::cli {

// Calls the node at `target.https` under `id`. ExitStatus::unreachable where nobody answers, ExitStatus::refused where
// the server is another device than `target.device`, or we are not let in.
Try<sealed::ReplyBody> call_over_https(const RpcTarget& target, const sealed::CallId& id, std::string json,
                                       Environment& environment);

}  // namespace sallyport::cli
