// How a data connection comes about: raw, which the relay moves without a copy, or inside TLS (tunnel::kDataAlpn) where
// the network lets nothing else through (DESIGN §11). Which of the two is learnt for each way out of each network.
#pragma once

#include <memory>

#include "agent/checked_stream.h"
#include "net/task_group.h"
#include "tunnel/ticket.h"

namespace sallyport::agent {

// Both attempts together are over before the relay stops waiting (tunnel::kUserWaitDeadline).
inline constexpr milliseconds kDataDialLimit{4'000};
// The relay has the user's first bytes when it asks for a connection, so they are due a round trip after the preface.
// Where they do not come the network has swallowed one of the two.
inline constexpr milliseconds kRawPatience{2'500};
// Sealed connections that are carried at the same time, and how long one lives on without a byte when one of its
// directions has ended.
inline constexpr std::size_t kMaxSealed = 256;
inline constexpr milliseconds kSealedHalfClosedLimit{600'000};
// Where raw connections did not get through they are tried again after this.
inline constexpr milliseconds kTryRawAfter{86'400'000};

// One per agent. One thread. Borrows everything for its lifetime.
class DataDialer {
 public:
  // `relay` is the name by which the device asks for the relay, <name>.relay.<zone>.
  DataDialer(net::TaskGroup& tasks, ServerDialer& dialer, const DeviceTime& time, DnsName relay)
      : tasks_(tasks), dialer_(dialer), time_(time), relay_(std::move(relay)) {}

  // A connection to the relay that has shown `ticket`, the way the control connection took, on which the user's first
  // bytes have come: a socket, silent no longer than the network's NAT stands. That is `ready`, which dial_ready() made
  // with the same ticket, where there is one and they come. Errors name what was tried.
  net::Task<Result<net::StreamPtr>> dial(tunnel::Ticket ticket, std::size_t way, std::string network,
                                         net::StreamPtr ready = nullptr);
  // One that waits for a user who has not come yet: raw. Errc::unavailable where no raw connection has brought a user's
  // bytes yet, or connections run inside TLS.
  net::Task<Result<net::StreamPtr>> dial_ready(tunnel::Ticket ticket, std::size_t way, std::string network);

 private:
  static net::SocketOptions socket_options(const NetworkMemory& known);
  net::Task<Result<net::StreamPtr>> show(tunnel::Ticket ticket, std::size_t way, net::SocketOptions socket,
                                         net::Deadline limit);
  net::Task<Result<net::StreamPtr>> dial_raw(tunnel::Ticket ticket, std::size_t way, net::SocketOptions socket,
                                             net::StreamPtr ready);
  net::Task<Result<net::StreamPtr>> dial_sealed(tunnel::Ticket ticket, std::size_t way, net::SocketOptions socket);
  static net::Task<void> carry(net::StreamPtr sealed, net::StreamPtr inside, Bytes first,
                               std::shared_ptr<std::size_t> carried);
  bool wants_sealed(const NetworkMemory& known);
  void learn(const std::string& network, bool is_sealed);

  net::TaskGroup& tasks_;
  ServerDialer& dialer_;
  const DeviceTime& time_;
  DnsName relay_;
  std::string sealed_network_;  // the network for which it was found out, or first used, at sealed_since_
  Instant sealed_since_{};
  std::string raw_network_;  // where a raw connection has brought a user's bytes
  std::shared_ptr<std::size_t> carried_ = std::make_shared<std::size_t>(0);
};

}  // namespace sallyport::agent
