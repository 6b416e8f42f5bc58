// Devices and users that speak to a relay over loopback. For this layer's tests alone.
#pragma once

#include "net/copy.h"
#include "net/websocket_stream.h"
#include "relay/detail/test_installation.h"
#include "tunnel/websocket_upgrade.h"

namespace sallyport::relay::testing {

inline crypto::PeerVerifier verifier(const Tree& tree, pki::Purpose purpose) {
  return [root = tree.root, purpose = std::move(purpose)](std::span<const Bytes> der) -> Result<void> {
    TRY(const auto chain, pki::parse_chain(der));
    const std::array anchors = {root};
    TRY_VOID(pki::verify_chain(chain, anchors, purpose, pki::TimeRule::clock(kNow)));
    return {};
  };
}

inline net::Address loopback(std::uint16_t port) {
  return {.host = "127.0.0.1", .port = port};
}

inline constexpr seconds kPatience{10};

// To the relay's port, as a device does whose network lets nothing but HTTP pass: what comes back is the inside of a
// WebSocket.
inline net::Task<Result<net::StreamPtr>> reach_by_web_socket(std::uint16_t port, Random& random) {
  const auto nonce = random.array<std::tuple_size_v<tunnel::WebSocketNonce>>();
  CO_TRY(auto lower, co_await net::connect_tcp(loopback(port), kPatience));
  CO_TRY(const auto request,
         tunnel::encode_upgrade_request("relay.devices.example:80", tunnel::kWebSocketTarget, nonce, SecretBytes()));
  CO_TRY_VOID(co_await lower->write_all(request.expose(), kPatience));
  Bytes received;
  for (std::array<std::uint8_t, 1> octet{};;) {
    CO_TRY_VOID(co_await net::read_exactly(*lower, octet, kPatience));
    append(received, octet);
    CO_TRY(const auto reply, tunnel::parse_connect_reply(received));
    if (!reply) continue;
    if (reply->status != 101) co_return failf(Errc::unavailable, "answered {}", reply->status);
    CO_TRY_VOID(tunnel::check_upgrade(*reply, nonce));
    break;
  }
  const net::Executor executor = lower->executor();
  CO_TRY(auto socket, net::carry_by_socket(net::make_web_socket_client(std::move(lower), {}, random), kPatience));
  co_return net::adopt_socket(executor, std::move(socket));
}

// A device: the real agent session over real TLS; each data connection ends its user's TLS and echoes what it reads.
class FakeAgent {
 public:
  FakeAgent(net::Executor executor, const Clock& clock, Tree& tree, DeviceName name, std::uint8_t boot)
      : executor_(executor),
        clock_(clock),
        tree_(tree),
        name(std::move(name)),
        operational(tree.make_leaf(pki::ProfileId::operational_device, tree.online_ca, {host()})),
        web_(tree.make_leaf(pki::ProfileId::web_device, tree.web_ca, {host(), "*." + host()})),
        boot_(boot) {}

  std::string host() const { return name.get() + "." + kZone.get(); }
  std::string control_name() const { return name.get() + ".relay." + kZone.get(); }

  // Connects, says HELLO, and lives until the connection ends. `server_name` may be another device's.
  static net::Task<void> run(FakeAgent& self, std::uint16_t port, std::string server_name) {
    self.session_.emplace(
        tunnel::AgentHello{.boot_id = tunnel::BootId({self.boot_}),
                           .agent_version = "test",
                           .remote_access = true,
                           .services = {{.name = ServiceName("web"), .kind = tunnel::ServiceKind::http}}},
        self.interval_);
    auto stream = co_await connect(self, port, std::move(server_name));
    if (!stream) {
      self.error = stream.error().detail;
    } else {
      self.stream_ = *std::move(stream);
      self.port_ = port;
      co_await self.perform(self.session_->start(self.clock_.monotonic()));
      std::array<std::uint8_t, 4096> buffer;
      for (;;) {
        const auto got = co_await self.stream_->read_some(buffer, net::Deadline::never());
        if (!got || *got == 0) break;
        co_await self.perform(self.session_->on_bytes(ByteView(buffer).first(*got), self.clock_.monotonic()));
      }
      self.stream_->close();
    }
    self.over = true;
  }
  void start(std::uint16_t port) {
    over = accepted = false;
    net::spawn(executor_, run(*this, port, control_name()), "fake.agent");
  }

  // Lets the session see what time it is.
  static net::Task<void> tick(FakeAgent& self) {
    if (!self.over) co_await self.perform(self.session_->on_tick(self.clock_.monotonic()));
  }

  // Dials a ready connection.
  static net::Task<Result<net::StreamPtr>> dial(FakeAgent& self, tunnel::Ticket ticket) {
    CO_TRY(auto stream, co_await reach(self, self.port_));
    const Bytes preface = tunnel::encode_preface(ticket);
    CO_TRY_VOID(co_await stream->write_all(preface, kPatience));
    co_return stream;
  }
  // The same inside TLS; what comes back is the inside, carried over a pair of sockets.
  static net::Task<Result<net::StreamPtr>> dial_over_tls(FakeAgent& self, tunnel::Ticket ticket) {
    crypto::TlsClientSettings settings;
    settings.alpn = {std::string(tunnel::kDataAlpn)};
    settings.verify_server = verifier(self.tree_, pki::ServerPurpose{DnsName("relay." + kZone.get())});
    CO_TRY(auto context, crypto::TlsContext::client(std::move(settings)));
    CO_TRY(auto lower, co_await reach(self, self.port_));
    CO_TRY(auto outer, co_await net::tls_connect(std::move(lower), std::move(context), self.control_name(), kPatience));
    const Bytes preface = tunnel::encode_preface(ticket);
    CO_TRY_VOID(co_await outer->write_all(preface, kPatience));
    CO_TRY(auto socket, net::carry_by_socket(std::move(outer), kPatience));
    co_return net::adopt_socket(self.executor_, std::move(socket));
  }
  static net::Task<void> serve(FakeAgent& self, net::StreamPtr stream) {
    crypto::TlsServerSettings settings;
    settings.identity = self.tree_.identity(self.web_, self.tree_.web_ca);
    auto context = crypto::TlsContext::server(std::move(settings));
    auto inner = co_await net::tls_accept(std::move(stream), *std::move(context), kPatience);
    if (!inner) co_return;
    ++self.served;
    Bytes buffer(64 * 1024);
    for (;;) {
      const auto got = co_await (*inner)->read_some(buffer, net::Deadline::never());
      if (!got) co_return;
      if (*got == 0) break;
      if (!co_await (*inner)->write_all(ByteView(buffer).first(*got), kPatience)) co_return;
    }
    static_cast<void>(co_await (*inner)->write_all(as_bytes("bye"), kPatience));
    static_cast<void>(co_await (*inner)->shutdown_write(kPatience));
  }
  std::optional<tunnel::Ticket> take_ticket() { return session_->take_ticket(); }
  void hang_up() {
    if (stream_) stream_->close();
  }

  bool accepted = false;
  bool over = false;
  bool answers_opens = true;
  std::optional<tunnel::RefuseCode> refuses;  // instead of dialling back
  bool data_over_tls = false;
  bool by_web_socket = false;      // every connection
  bool leaf_alone = false;         // shows it so to a relay that knows its issuer
  bool showed_leaf_alone = false;  // the last connection did
  std::optional<Issued> issuer;    // instead of the online-ca
  std::string error;
  std::optional<tunnel::GoAwayFrame> go_away;
  std::vector<tunnel::OpenFrame> opens;
  std::vector<tunnel::GrantId> cuts;
  std::size_t renewals = 0;
  std::size_t served = 0;
  bool resumed = false;                                     // the last connection was
  std::shared_ptr<const crypto::TlsResumption> resumption;  // what it was given last, and comes back with

 private:
  static net::Task<Result<net::StreamPtr>> reach(FakeAgent& self, std::uint16_t port) {
    if (self.by_web_socket) co_return co_await reach_by_web_socket(port, self.random_);
    co_return co_await net::connect_tcp(loopback(port), kPatience);
  }
  static net::Task<Result<net::StreamPtr>> connect(FakeAgent& self, std::uint16_t port, std::string server_name) {
    crypto::TlsClientSettings settings;
    settings.identity = self.tree_.identity(self.operational, self.issuer ? *self.issuer : self.tree_.online_ca);
    settings.leaf_alone_if_known = self.leaf_alone;
    settings.alpn = {std::string(tunnel::kControlAlpn)};
    settings.verify_server = verifier(self.tree_, pki::ServerPurpose{DnsName("relay." + kZone.get())});
    settings.resumption = self.resumption;
    CO_TRY(auto context, crypto::TlsContext::client(std::move(settings)));
    CO_TRY(auto lower, co_await reach(self, port));
    auto stream = co_await net::tls_connect(std::move(lower), std::move(context), std::move(server_name), kPatience);
    self.resumed = stream && net::is_resumed(**stream);
    self.showed_leaf_alone = stream && net::showed_leaf_alone(**stream);
    co_return stream;
  }
  void keep_resumption(Bytes identity) {
    const auto key = net::export_keying_material(*stream_, tunnel::kResumptionLabel, crypto::kPskBytes);
    resumption =
        std::make_shared<crypto::TlsResumption>(crypto::TlsResumption{.identity = std::move(identity),
                                                                      .key = crypto::Psk::from(key.value()).value(),
                                                                      .server_chain = stream_->peer().tls_chain});
  }
  static net::Task<void> dial_back(FakeAgent& self, tunnel::Ticket ticket) {
    auto stream = self.data_over_tls ? co_await dial_over_tls(self, ticket) : co_await dial(self, ticket);
    if (stream) co_await serve(self, *std::move(stream));
  }
  net::Task<void> perform(tunnel::AgentActions actions) {
    for (auto& action : actions) {
      if (auto* bytes = std::get_if<tunnel::SendBytes>(&action)) {
        static_cast<void>(co_await stream_->write_all(bytes->bytes, kPatience));
      } else if (std::holds_alternative<tunnel::Accepted>(action)) {
        accepted = true;
      } else if (auto* asked = std::get_if<tunnel::OpenAsked>(&action)) {
        opens.push_back(asked->open);
        if (refuses) {
          co_await perform(session_->refuse(asked->open.ticket, *refuses, clock_.monotonic()));
          continue;
        }
        if (answers_opens && !asked->ready) net::spawn(executor_, dial_back(*this, asked->open.ticket), "fake.data");
      } else if (auto* cut = std::get_if<tunnel::CutAsked>(&action)) {
        cuts.push_back(cut->session);
      } else if (std::holds_alternative<tunnel::GrantRenewed>(action)) {
        ++renewals;
      } else if (auto* given = std::get_if<tunnel::ResumptionGiven>(&action)) {
        keep_resumption(std::move(given->identity));
      } else if (auto* close = std::get_if<tunnel::Close>(&action)) {
        go_away = close->go_away;
        stream_->close();
      }
    }
  }

  net::Executor executor_;
  const Clock& clock_;
  Tree& tree_;
  tunnel::PingInterval interval_;
  SeededRandom random_{11};

 public:
  DeviceName name;
  Issued operational;

 private:
  Issued web_;
  std::uint8_t boot_;
  std::optional<tunnel::AgentSession> session_;
  net::StreamPtr stream_;
  std::uint16_t port_ = 0;
};

// A browser as far as the relay can tell. Returns the TLS stream that ends in the device.
inline net::Task<Result<net::StreamPtr>> visit(const Tree& tree, std::uint16_t port, std::string server_name) {
  crypto::TlsClientSettings settings;
  settings.verify_server = verifier(tree, pki::WebDevicePurpose{kZone});
  CO_TRY(auto context, crypto::TlsContext::client(std::move(settings)));
  CO_TRY(auto lower, co_await net::connect_tcp(loopback(port), kPatience));
  co_return co_await net::tls_connect(std::move(lower), std::move(context), std::move(server_name), kPatience);
}

// Writes `bytes` and reads as many back.
inline net::Task<Result<Bytes>> exchange(net::Stream& stream, Bytes bytes) {
  CO_TRY_VOID(co_await stream.write_all(bytes, kPatience));
  Bytes back(bytes.size());
  CO_TRY_VOID(co_await net::read_exactly(stream, back, kPatience));
  co_return back;
}

}  // namespace sallyport::relay::testing
