// Direct access (docs/protocol/tunnel.md §13): a port of the device's own, at which a user brings his grant himself
// instead of having it brought by the relay. What a grant must be and what it opens is judged by the same code
// (remote_access.h, data_connection.h).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "agent/data_connection.h"
#include "agent/device_time.h"
#include "base/log_budget.h"
#include "net/listener.h"
#include "net/raw_socket.h"
#include "net/task_group.h"
#include "net/timer.h"
#include "tunnel/admission.h"
#include "tunnel/client_hello.h"
#include "tunnel/direct.h"

namespace sallyport::agent {

// Connections that have proven nothing yet: a hello of at most tunnel::kMaxHelloHybrid, a handshake, and a message or
// form of at most tunnel::kMaxEntryBody each.
inline constexpr std::size_t kDirectStrangers = 64;
inline constexpr std::size_t kDirectStrangersPerSource = 32;
// Signatures made for strangers: handshakes of who has not proven lately, from where he comes, that the session he
// names is his. So many are under way, the others wait for their turn, longer than a handshake may take.
inline constexpr std::size_t kDirectHandshakes = 16;
inline constexpr std::size_t kDirectHandshakesPerSource = 8;
inline constexpr milliseconds kDirectHandshake{5'000};
inline constexpr milliseconds kDirectTurn{4 * kDirectHandshake.count()};  // so that a source's share comes round
inline constexpr std::size_t kDirectBurst = 64;
inline constexpr double kDirectPerSecond = 16.0;
inline constexpr std::size_t kDirectPerSession = 32;     // connections of one source in one session of a browser
inline constexpr milliseconds kDirectFirstWord{10'000};  // from the handshake to the grant, or to a request
// Sources that have proven themselves in a session, which have places of their own beside those of strangers.
inline constexpr std::size_t kMaxDirectProven = 256;
inline constexpr int kDirectBacklog = 64;
inline constexpr milliseconds kDirectRetry{5'000};  // to listen, where it cannot be

struct DirectLimits {
  tunnel::ConnectionCapLimits caps = {
      .total = kDirectStrangers, .per_source = kDirectStrangersPerSource, .per_name_and_source = kDirectPerSession};
  std::size_t handshakes = kDirectHandshakes;
  std::size_t handshakes_per_source = kDirectHandshakesPerSource;
  std::size_t burst = kDirectBurst;
  double per_second = kDirectPerSecond;
  milliseconds first_flight = tunnel::kFirstFlightDeadline;
  milliseconds handshake = kDirectHandshake;
  milliseconds turn = kDirectTurn;
  milliseconds first_word = kDirectFirstWord;
};

// One per agent. One thread. Borrows everything for its lifetime; it ends after `tasks` have stopped.
class DirectEntrance {
 public:
  // `port` is what browsers see of it; 0: that of the listener.
  DirectEntrance(net::TaskGroup& tasks, const DeviceTime& time, RemoteAccess& access, DataConnections& data,
                 DataConnections::WebIdentity web_identity, std::uint16_t port, DirectLimits limits = {});
  ~DirectEntrance();

  // Accepts until the listener is closed. Whoever asks for another name than one of this device's sessions is sent the
  // alert unrecognized_name, and whoever is one too many is reset, before anything is signed. Grants that were issued
  // before this object was made are refused as expired: whether their sessions were cut before is not remembered.
  net::Task<void> accept_from(net::Listener& listener);
  // Connections that have proven nothing yet.
  std::size_t strangers() const { return caps_->total(); }

 private:
  struct Guest;  // counts a connection for as long as it has proven nothing
  using GuestPtr = std::unique_ptr<Guest>;
  class Shaking;  // counts a stranger's handshake that is under way
  using ShakingPtr = std::unique_ptr<Shaking>;

  void begin(net::StreamPtr stream);
  net::Task<void> receive(std::unique_ptr<net::RawSocket> socket, GuestPtr guest);
  // The hello, or the last words for who has none; they may be empty.
  net::Task<std::expected<tunnel::ClientHello, Bytes>> look(net::RawSocket& socket) const;
  // Absent: there is no signature for him. Null for who need not wait.
  net::Task<std::optional<ShakingPtr>> wait_for_turn(const net::RawSocket& socket, DnsName host, tunnel::Source source);
  bool is_proven(const tunnel::Source& source, const DnsName& host) const;
  bool is_proven(const tunnel::Source& source) const;
  void note_proven(const tunnel::Source& source, const DnsName& host);
  bool is_from_before(const tunnel::AccessGrant& grant) const;
  Result<void> make_contexts();
  net::Task<void> serve_browser(net::StreamPtr user, DnsName host, GuestPtr guest);
  net::Task<void> serve_session(net::StreamPtr user, tunnel::AccessGrant grant, GuestPtr guest);
  net::Task<void> take_entry(net::StreamPtr user, tunnel::Door door);
  net::Task<http::Decision> decide(tunnel::Door door, http::Request head, net::PeerInfo peer);
  net::Task<http::Response> enter(tunnel::Door door, http::Request request, net::PeerInfo peer);
  net::Task<http::Response> judge_entry(tunnel::Door door, http::Request request, net::PeerInfo peer);
  net::Task<void> serve_caller(net::StreamPtr user, DnsName host, GuestPtr guest);
  net::Task<std::expected<DataConnections::Admitted, tunnel::RefuseCode>> judge_caller(tunnel::DirectAsk ask,
                                                                                       net::PeerInfo peer,
                                                                                       DnsName host);
  net::Task<std::expected<tunnel::AccessGrant, DataConnections::Refusal>> take(Bytes sealed_grant,
                                                                               tunnel::DirectPurpose purpose);
  void note_refused(const net::Address& from, const Error& error);

  net::TaskGroup& tasks_;
  const DeviceTime& time_;
  RemoteAccess& access_;
  DataConnections& data_;
  DataConnections::WebIdentity web_identity_;
  std::uint16_t port_;
  DirectLimits limits_;
  // Shared, because connections may outlive this object by a turn.
  std::shared_ptr<tunnel::ConnectionCaps> caps_;
  std::shared_ptr<tunnel::ConnectionCaps> proven_caps_;  // of sources that have proven themselves
  std::shared_ptr<tunnel::ConnectionCaps> handshakes_;   // of strangers
  std::map<tunnel::Source, std::set<DnsName>> proven_;   // the sessions from where they are used
  Instant begun_;
  net::Event one_over_;
  tunnel::TokenBucket signatures_;
  log::Budget refusals_;
  Bytes shown_;  // the leaf of the contexts
  std::shared_ptr<crypto::TlsContext> for_browsers_;
  std::shared_ptr<crypto::TlsContext> for_callers_;
};

}  // namespace sallyport::agent
