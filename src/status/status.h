// The role `status`: OCSP and CRLs over plain HTTP and TLS, from signed snapshots alone (DESIGN §10).
#pragma once

#include <memory>
#include <set>

#include "net/listener.h"
#include "rolelink/role_link.h"
#include "status/responder.h"

namespace sallyport::status {

struct Settings {
  rolelink::Settings link;
  std::set<uid_t> givers;  // who may hand connections over: the relay
};

// One thread. Borrows clock and random for its lifetime.
class Status {
 public:
  Status(net::Executor executor, const Clock& clock, Random& random, Settings settings);
  ~Status();

  // Serves the connections that the relay hands over, until the listener is closed.
  net::Task<void> serve(net::Listener& listener);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::status
