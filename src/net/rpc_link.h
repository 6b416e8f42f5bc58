// A connection to a role's Unix socket that comes back by itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "net/rpc.h"

namespace sallyport::net {

struct RpcLinkOptions {
  std::string path;
  RpcOptions rpc;
  // Runs on every new connection before waiting calls go out (subscriptions, who we are). An error closes the
  // connection and counts as a failed attempt. May be empty.
  std::function<Task<Result<void>>(std::shared_ptr<RpcPeer>)> on_connect;
  // Told whenever a connection has ended. May be empty.
  std::function<void()> on_disconnect;
  milliseconds first_retry{50};
  milliseconds longest_retry{5'000};  // decorrelated jitter between the two
  milliseconds connect_limit{3'000};
};

// Connects, and connects again after a break, until it ends. Belongs to its executor.
class RpcLink {
 public:
  // Borrows `random` for its lifetime and for that of calls under way.
  RpcLink(Executor executor, Random& random, RpcLinkOptions options);
  ~RpcLink();
  RpcLink(const RpcLink&) = delete;
  RpcLink& operator=(const RpcLink&) = delete;

  // Waits for the connection up to the deadline (then Errc::unavailable) and calls. A call whose connection broke after
  // it was sent is Errc::unavailable and is never repeated by itself.
  Task<Result<Bytes>> call(Bytes request, Deadline deadline);
  // Errc::unavailable while there is no connection.
  Result<void> send_event(Bytes event);
  bool is_connected() const;
  // Ends the present connection, if there is one; the next attempt follows by itself.
  void drop_connection();
  void close();

 private:
  struct State;
  static Task<void> keep_connected(std::shared_ptr<State> state);
  static Task<Result<void>> connect_once(std::shared_ptr<State> state);
  static Task<Result<Bytes>> call_on(std::shared_ptr<State> state, Bytes request, Deadline deadline);
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::net
