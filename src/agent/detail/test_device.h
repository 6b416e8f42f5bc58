// A device with its door, and users who come through a relay that does nothing but join sockets. For this layer's tests
// alone.
#pragma once

#include "agent/data_connection.h"
#include "agent/detail/test_installation.h"
#include "agent/local_service.h"
#include "crypto/hash.h"
#include "net/connect.h"
#include "pki/key_certificate.h"

namespace sallyport::agent::testing {

inline constexpr std::string_view kConsole = "https://console.example";

// Somebody with a key of his own.
struct KeyHolder {
  explicit KeyHolder(Random& random) : key(new_key()), certificate(*pki::make_key_certificate(*key, random, kNow)) {}
  crypto::TlsIdentity identity() const { return {.chain = {to_bytes(certificate.der())}, .key = key}; }
  std::shared_ptr<crypto::PrivateKey> key;
  pki::Certificate certificate;
};

inline net::Task<void> say(net::Stream& stream, std::string text) {
  EXPECT_TRUE(co_await stream.write_all(as_bytes(text), kSoon));
}

inline net::Task<std::string> hear(net::Stream& stream, std::size_t count) {
  Bytes heard(count);
  EXPECT_TRUE(co_await net::read_exactly(stream, heard, kSoon));
  co_return std::string(as_text(heard));
}

// Reads until the other side's direction ends; absent when it broke instead.
inline net::Task<std::optional<std::string>> hear_to_end(net::Stream& stream) {
  const auto heard = co_await net::read_to_end(stream, 1U << 20U, kSoon);
  co_return heard ? std::optional(std::string(as_text(*heard))) : std::nullopt;
}

// Services "panel" (http) at web_port; "echo" and "other" (tcp) at tcp_port, "told" too, which wants to be told of
// users.
class DeviceTest : public ::testing::Test {
 protected:
  DeviceTest()
      : responder(tree),
        status(io, responder),
        web_port(*net::Listener::tcp(io.executor(), {.host = "127.0.0.1", .port = 0})),
        tcp_port(*net::Listener::tcp(io.executor(), {.host = "127.0.0.1", .port = 0})),
        state(*AgentState::initialise(folder / "state", settings(), tree.root, random)),
        clock(kNow),
        time(clock, true, UnixTime()),
        way_out(state.settings(), random),
        check(state, time, random, way_out),
        access(state, time, check, random, kDevice),
        pages(tasks, state, time, access, random, [] { return std::vector<PageRow>{{"Serial id", "pump"}}; }),
        data(state.settings(), access, [this] { return web_identity; }, [this] { return pages.connect(); }) {}
  ~DeviceTest() override { io.stop(); }

  Settings settings() const {
    Settings out = make_settings();
    out.http_address = status.address();
    const auto target = [](std::string_view name, tunnel::ServiceKind kind, const net::Address& address) {
      return LocalTarget{.service = {.name = ServiceName(std::string(name)), .kind = kind}, .target = address};
    };
    out.services = {target("panel", tunnel::ServiceKind::http, web_port->address()),
                    target("echo", tunnel::ServiceKind::tcp, tcp_port->address()),
                    target("other", tunnel::ServiceKind::tcp, tcp_port->address()),
                    target("told", tunnel::ServiceKind::tcp, tcp_port->address())};
    out.services.back().proxy_protocol = true;
    return out;
  }

  tunnel::AccessGrant make_grant(std::string_view service = "panel") {
    tunnel::AccessGrant grant;
    grant.id = tunnel::draw_grant_id(random);
    grant.user_id = "u1";
    grant.user_display = "Ada";
    grant.device = kDevice;
    grant.service = ServiceName(std::string(service));
    grant.proof_hash = crypto::sha256(secret);
    grant.label = draw_grant_label(random);
    grant.console_origin = kConsole;
    grant.issued = kNow;
    grant.expires = kNow + seconds(300);
    grant.session_end = kNow + seconds(3'600);
    return grant;
  }
  tunnel::OpenFrame make_open(const tunnel::AccessGrant& grant) {
    return {
        .ticket = {}, .sealed_grant = tree.seal(grant), .client_address = "192.0.2.1:51000", .service = grant.service};
  }
  std::expected<DataConnections::Admitted, tunnel::RefuseCode> admit(tunnel::OpenFrame open) {
    io.restart();
    return *net::run(io, data.admit(std::move(open)));
  }
  void expect_refused(const tunnel::OpenFrame& open, tunnel::RefuseCode code) {
    const auto admitted = admit(open);
    ASSERT_FALSE(admitted);
    EXPECT_EQ(tunnel::to_string(admitted.error()), tunnel::to_string(code));
  }

  std::shared_ptr<crypto::TlsContext> user_context(std::optional<crypto::TlsIdentity> identity, bool resume = false) {
    crypto::TlsClientSettings client;
    client.identity = std::move(identity);
    client.alpn = {"http/1.1"};
    client.resume = resume;
    client.verify_server = [root = tree.root](std::span<const Bytes> der) -> Result<void> {
      TRY(const auto chain, pki::parse_chain(der));
      const pki::Certificate anchors[] = {root};
      TRY_VOID(pki::verify_chain(chain, anchors, pki::WebDevicePurpose{.zone = kZone}, pki::TimeRule::clock(kNow)));
      return {};
    };
    return *crypto::TlsContext::client(std::move(client));
  }
  // The user's end of a connection that the relay joined with one that the agent dialled.
  net::Task<Result<net::StreamPtr>> join_user(DataConnections::Admitted admitted, DnsName sni,
                                              std::shared_ptr<crypto::TlsContext> context) {
    auto ends = net::make_socket_pair();
    auto device = net::adopt_socket(io.executor(), std::move(ends->first));
    auto user = net::adopt_socket(io.executor(), std::move(ends->second));
    net::spawn(io.executor(), data.serve(*std::move(device), std::move(admitted)), "test.device");
    co_return co_await net::tls_connect(*std::move(user), std::move(context), sni.get(), kSoon);
  }
  net::Task<Result<net::StreamPtr>> join_user(DataConnections::Admitted admitted, DnsName sni,
                                              std::optional<crypto::TlsIdentity> identity = std::nullopt) {
    auto context = user_context(std::move(identity));
    co_return co_await join_user(std::move(admitted), std::move(sni), std::move(context));
  }
  void run(net::Task<void> task) {
    io.restart();
    net::run(io, std::move(task));
  }

  net::Io io;
  crypto::SystemRandom random;
  Tree tree;
  Responder responder;
  PlainStatus status;
  std::unique_ptr<net::Listener> web_port, tcp_port;
  Folder folder;
  AgentState state;
  ManualClock clock;
  DeviceTime time;
  WayOut way_out;
  ServerCheck check;
  RemoteAccess access;
  net::TaskGroup tasks{io.executor()};
  LocalService pages;
  std::optional<crypto::TlsIdentity> web_identity = Tree::identity(tree.web, tree.web_ca);
  DataConnections data;
  Bytes secret = Bytes(tunnel::kEntrySecretSize, 7);
};

}  // namespace sallyport::agent::testing
