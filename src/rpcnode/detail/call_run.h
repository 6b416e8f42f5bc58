// One call from what came to what is answered.
#pragma once

#include <memory>

#include "rpcnode/detail/node_state.h"

namespace sallyport::rpcnode {

// Runs what `call` asks for, if it may be run now, and returns its answer; `way` is for the audit trail.
net::Task<sealed::ReplyBody> answer_call(std::shared_ptr<Node::State> node, sealed::Execute call, std::string way);
// The same for what the responder wants run: the answer goes back through it.
net::Task<void> run_call(std::shared_ptr<Node::State> node, sealed::Execute call);
// For a caller of another protocol: one request by rules of its own.
inline constexpr seconds kForeignCallLimit{10};
net::Task<MethodResult> run_foreign(std::shared_ptr<Node::State> node, sealed::Execute call, std::string way,
                                    sealed::RpcRequest request, AccessRules rules);
// Answers with what a stored call came to.
void answer_question(Node::State& node, const sealed::AskResult& ask);

}  // namespace sallyport::rpcnode
