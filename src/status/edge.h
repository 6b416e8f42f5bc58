// The keyless edge of the role `status`: hands out what a status host has signed, and what it lists, near to those who
// ask (docs/operate/edges.md). It has no key, no folder, no authority; whoever takes its machine learns and
// can sign nothing.
#pragma once

#include <memory>

#include "net/listener.h"
#include "status/edge_shelf.h"

namespace sallyport::status {

// How often the status host is asked for what is new; a revocation is told here so much later than there.
inline constexpr milliseconds kEdgeRound{5'000};
inline constexpr std::size_t kMaxEdgeConnections = 16'384;

struct EdgeSettings {
  net::Address origin;  // of the status host, plain HTTP
  std::string host;     // its name, as the relay before it wants to see it: "status.<zone>"
  std::vector<pki::Certificate> roots;
};

// One thread. Borrows the clock for its lifetime.
class Edge {
 public:
  Edge(net::Executor executor, const Clock& clock, EdgeSettings settings);
  ~Edge();

  // Serves plain HTTP until the listener is closed.
  net::Task<void> serve(net::Listener& listener);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::status
