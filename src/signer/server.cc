#include "signer/server.h"

#include <utility>

#include "base/log.h"
#include "net/privileges.h"
#include "net/rpc.h"
#include "signer/detail/sandbox.h"

namespace sallyport::signer {
namespace {

net::Task<Result<Bytes>> answer_request(Signer& signer, Bytes request) {
  co_return signer.answer_bytes(request);
}

net::RpcOptions options_for(Signer& signer) {
  net::RpcOptions options;
  options.on_request = [&signer](Bytes request, net::Caller) { return answer_request(signer, std::move(request)); };
  options.max_frame = pki::kMaxSigningRequestBytes;
  options.max_queued = pki::kMaxSigningRequestBytes;
  options.max_calls = pki::kMaxSigningCalls;  // answered one after the other
  return options;
}

}  // namespace

net::Task<void> serve_signer(net::Listener& listener, Signer& signer, uid_t allowed_uid) {
  const net::Executor executor = co_await net::current_executor();
  while (true) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    const auto uid = (*stream)->peer().uid;
    if (uid != allowed_uid) {
      log::warn("signer.stranger", {{"uid", uid ? static_cast<std::int64_t>(*uid) : -1}});
      (*stream)->close();
      continue;
    }
    net::RpcOptions options = options_for(signer);
    net::spawn(executor, net::serve_rpc(*std::move(stream), std::move(options)), "signer.connection");
  }
}

Result<void> confine_signer() {
  TRY_VOID(net::forbid_new_privileges());
  return enter_sandbox();
}

}  // namespace sallyport::signer
