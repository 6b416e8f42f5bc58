// The signer's socket: net/rpc.h frames whose bodies are pki/signing_request.h.
#pragma once

#include <sys/types.h>

#include "net/listener.h"
#include "net/task.h"
#include "signer/signer.h"

namespace sallyport::signer {

// Serves connections of `allowed_uid` until the listener is closed; those of others are closed unread and logged.
// Borrows both objects, which must outlive the event loop's last task.
net::Task<void> serve_signer(net::Listener& listener, Signer& signer, uid_t allowed_uid);

// What the role gives up before it reads its first request: the right to gain privileges, and every system call that it
// does not need. Call it when keys are loaded and the listener is open.
Result<void> confine_signer();

}  // namespace sallyport::signer
