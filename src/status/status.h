// The role `status`: OCSP and CRLs over plain HTTP and TLS, from signed snapshots and the root's orders alone.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "net/listener.h"
#include "rolelink/role_link.h"
#include "status/order_book.h"

namespace sallyport::status {

struct Settings {
  std::string host;  // the machine's name, as people are shown it
  rolelink::Settings link;
  std::set<uid_t> givers;     // who may hand connections over: the relay
  std::set<uid_t> operators;  // who may hand in orders of the root and ask for those that were taken
};

// One thread. Borrows clock and random for its lifetime.
class Status {
 public:
  Status(net::Executor executor, const Clock& clock, Random& random, Settings settings, OrderBook orders);
  ~Status();

  // Serves the connections that the relay hands over, until the listener is closed; those beyond its limits are
  // closed at once.
  net::Task<void> serve(net::Listener& listener);
  // Takes orders and root CRLs from this machine's operators (status/order_desk.h), until the listener is closed.
  net::Task<void> serve_operators(net::Listener& listener);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::status
