// The agent's permanent connection to the relay (docs/protocol/tunnel.md §5): kept up for ever, on a server that was
// checked before it heard a word and is checked again every hour.
#pragma once

#include <memory>
#include <string>

#include "agent/checked_stream.h"
#include "agent/data_connection.h"
#include "agent/data_dialer.h"
#include "agent/ready_connections.h"
#include "net/task_group.h"
#include "net/timer.h"
#include "tunnel/reconnect.h"

namespace sallyport::agent {

// A re-check that finds no responder is tried again this often, and ends the connection after this long (DESIGN §8).
inline constexpr milliseconds kRecheckRetry{60'000};
inline constexpr milliseconds kRecheckPatience{900'000};
inline constexpr std::size_t kMaxUnsent = 256U * 1024U;

enum class ControlState : std::uint8_t { down, connecting, established };
std::string_view to_string(ControlState state);

// One per agent. One thread. Borrows everything for its lifetime; it ends after `tasks` have stopped.
class ControlConnection {
 public:
  // What to show to the relay and who that makes us, asked at every attempt.
  using IdentitySource = std::function<std::optional<crypto::TlsIdentity>()>;
  ControlConnection(net::TaskGroup& tasks, const Settings& settings, DeviceTime& time, ServerDialer& dialer,
                    ServerCheck& check, RemoteAccess& access, DataConnections& data, Random& random, DeviceName name,
                    IdentitySource identity);
  ~ControlConnection();

  // Runs for ever: connects, and again after every end, as back-off and the relay's GOAWAY say.
  net::Task<void> run();
  // The switch changed: tells the relay.
  void send_status();
  // The certificate was renewed: ends the present connection, which then comes back; one that waits to be tried again
  // is tried at once.
  void reconnect();

  ControlState state() const { return state_; }
  // Why it is not established; empty when it is.
  const std::string& last_error() const { return last_error_; }
  std::optional<milliseconds> round_trip() const;
  // How long it stays silent at most, as learnt for the present network.
  seconds ping_interval() const { return ping_interval_.current(); }
  // The way out that it took, of WayOut::ways(); absent when it is not up, or not yet.
  std::optional<std::size_t> way() const;
  // Whether data connections of the present network run inside TLS.
  bool is_data_sealed() const;

 private:
  struct Live;
  net::Task<Result<std::optional<tunnel::GoAwayFrame>>> connect_once();
  net::Task<void> pump(std::shared_ptr<Live> live);
  static net::Task<void> write_out(std::shared_ptr<Live> live);
  net::Task<void> recheck(std::shared_ptr<Live> live, pki::VerifiedChain server);
  void perform(const std::shared_ptr<Live>& live, tunnel::AgentActions actions);
  void enter_network(const std::string& network);
  void keep_ping_interval();
  std::shared_ptr<ReadyConnections> make_ready(const std::shared_ptr<Live>& live);
  net::Task<void> serve_open(std::shared_ptr<Live> live, tunnel::OpenFrame open, bool is_ready);
  static net::Task<void> drop_ready(std::shared_ptr<ReadyConnections> connections, tunnel::Ticket ticket);
  static net::Task<void> refuse_on(net::StreamPtr ready, tunnel::RefuseCode code);
  net::Task<void> renew_grant(Bytes sealed_grant);
  void keep_resumption(const Live& live, Bytes identity);
  void learn_from(const Live& live);

  net::TaskGroup& tasks_;
  const Settings& settings_;
  DeviceTime& time_;
  ServerDialer& dialer_;
  ServerCheck& check_;
  RemoteAccess& access_;
  DataConnections& data_;
  Random& random_;
  DeviceName name_;
  IdentitySource identity_;
  tunnel::BootId boot_id_;
  DataDialer data_dialer_;
  std::string network_;  // whose ping interval it is
  tunnel::PingInterval ping_interval_;
  tunnel::Backoff backoff_;
  std::shared_ptr<Live> live_;
  ControlState state_ = ControlState::down;
  std::string last_error_;
  Bytes refused_alone_;        // a leaf that led nowhere when it was shown without its chain
  net::Event renewed_;         // since the last attempt began
  bool is_replacing_ = false;  // we ended it ourselves, so nobody needs to be spared
};

}  // namespace sallyport::agent
