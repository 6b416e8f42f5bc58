#include "agent/data_connection.h"

#include "agent/detail/test_device.h"
#include "http/client.h"
#include "http/server.h"

namespace sallyport::agent {
namespace {

using testing::kConsole;
using testing::kDevice;
using testing::kNow;
using testing::kSoon;
using testing::kZone;
using testing::Lie;
using testing::PlainStatus;
using testing::Responder;
using testing::Tree;
using tunnel::RefuseCode;

// A local application: tells what it was asked.
net::Task<http::Response> describe(http::Request request, net::PeerInfo) {
  std::string text = request.method + " " + request.target;
  for (const auto& field : request.headers.fields()) text += "\n" + field.name + ": " + field.value;
  http::Response response = http::Response::text(text);
  response.headers.add("Set-Cookie", "theme=dark; Domain=devices.example");
  co_return response;
}

http::Router application_routes() {
  http::Router router;
  router.add("GET", "/", describe);
  router.add("GET", "/{rest...}", describe);
  router.add("POST", "/{rest...}", describe);
  return router;
}

// The services answer: a web application, and an echo.
class DataConnectionTest : public testing::DeviceTest {
 protected:
  DataConnectionTest() : application(application_routes()) {
    net::spawn(io.executor(), serve_application(*this), "test.application");
    net::spawn(io.executor(), serve_echo(*this), "test.echo");
  }

  static net::Task<void> serve_application(DataConnectionTest& self) {
    for (;;) {
      auto stream = co_await self.web_port->accept(net::Deadline::never());
      if (!stream) co_return;
      net::spawn(self.io.executor(), self.application.serve(*std::move(stream)), "test.application");
    }
  }
  static net::Task<void> serve_echo(DataConnectionTest& self) {
    for (;;) {
      auto stream = co_await self.tcp_port->accept(net::Deadline::never());
      if (!stream) co_return;
      net::spawn(self.io.executor(), echo(*std::move(stream)), "test.echo");
    }
  }
  static net::Task<void> echo(net::StreamPtr stream) {
    Bytes piece(1'024);
    for (;;) {
      const auto count = co_await stream->read_some(piece, net::Deadline::never());
      if (!count || *count == 0) co_return;
      const Bytes back(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(*count));
      if (!co_await stream->write_all(back, kSoon)) co_return;
    }
  }

  http::Request entry(const DnsName& host, std::string origin = std::string(kConsole)) {
    http::Request request = http::post("/.sallyport/enter", "application/x-www-form-urlencoded",
                                       to_bytes("secret=" + codec::encode_base64url(secret)));
    request.headers.set("Host", host.get());
    request.headers.set("Origin", origin);
    return request;
  }
  static http::Request get(const DnsName& host, std::string target, std::string cookie = {}) {
    http::Request request;
    request.target = std::move(target);
    request.headers.set("Host", host.get());
    if (!cookie.empty()) request.headers.set("Cookie", cookie);
    return request;
  }
  static std::string cookie_of(const http::Response& response) {
    const std::string_view line = response.headers.get("Set-Cookie");
    return std::string(line.substr(0, line.find(';')));
  }
  net::Task<void> browse();
  net::Task<void> browse_wrongly();
  net::Task<void> browse_device_pages();
  net::Task<void> be_cut();
  net::Task<void> use_tcp();
  net::Task<void> use_tcp_with_another_key();
  net::Task<void> ask_for_another_name();

  http::Server application;
};

net::Task<void> DataConnectionTest::browse() {
  const auto grant = make_grant();
  const DnsName host = tunnel::grant_host(grant, kZone);
  auto admitted = co_await data.admit(make_open(grant));
  CO_ASSERT(admitted);
  auto stream = co_await join_user(*std::move(admitted), host);
  CO_ASSERT(stream);
  http::Client browser(*std::move(stream), host.get());
  auto entered = co_await browser.send(entry(host), kSoon);
  CO_ASSERT(entered && entered->status == 200);
  const std::string cookie = cookie_of(*entered);
  CO_ASSERT(cookie.starts_with("__Host-sallyport="));
  http::Request request = get(host, "/machine?x=1", cookie + "; theme=dark");
  request.headers.set("X-Forwarded-For", "203.0.113.9");
  auto page = co_await browser.send(std::move(request), kSoon);
  CO_ASSERT(page && page->status == 200);
  const std::string seen(as_text(page->body));
  EXPECT_TRUE(seen.starts_with("GET /machine?x=1")) << seen;
  EXPECT_EQ(seen.find("theme=dark"), std::string::npos) << "not set by the application: anybody may have planted it";
  EXPECT_EQ(seen.find("__Host-sallyport"), std::string::npos);
  EXPECT_EQ(seen.find("203.0.113.9"), std::string::npos);
  EXPECT_EQ(page->headers.get("Set-Cookie").find("Domain"), std::string_view::npos);
}

TEST_F(DataConnectionTest, LetsAUserInWithItsSecretAndForwardsWhatTheGateAllows) {
  run(browse());
}

net::Task<void> DataConnectionTest::browse_wrongly() {
  const auto grant = make_grant();
  const DnsName host = tunnel::grant_host(grant, kZone);
  // One connection each: a refusal closes it.
  const http::Request table[] = {get(host, "/"), entry(host, "https://evil.example"),
                                 get(host, "/", "__Host-sallyport=AAAA"), get(DnsName("other.devices.example"), "/")};
  const unsigned wanted[] = {401, 403, 401, 421};
  for (std::size_t i = 0; i < std::size(table); ++i) {
    auto admitted = co_await data.admit(make_open(grant));
    CO_ASSERT(admitted);
    auto stream = co_await join_user(*std::move(admitted), host);
    CO_ASSERT(stream);
    http::Client browser(*std::move(stream), host.get());
    http::Request request = table[i];
    const auto answer = co_await browser.send(std::move(request), kSoon);
    CO_ASSERT(answer);
    EXPECT_EQ(answer->status, wanted[i]) << i;
  }
}

TEST_F(DataConnectionTest, TheApplicationHearsNothingOfRequestsWithoutASession) {
  run(browse_wrongly());
}

net::Task<void> DataConnectionTest::ask_for_another_name() {
  const auto grant = make_grant();
  auto admitted = co_await data.admit(make_open(grant));
  CO_ASSERT(admitted);
  const DnsName other = under(draw_grant_label(random).get(), under(kDevice.get(), kZone));
  const auto stream = co_await join_user(*std::move(admitted), other);
  EXPECT_FALSE(stream);
}

TEST_F(DataConnectionTest, RefusesAnotherNameThanTheGrantsInTheHandshake) {
  run(ask_for_another_name());
}

TEST_F(DataConnectionTest, RefusesOpensThatNothingPermits) {
  const auto grant = make_grant();
  auto open = make_open(grant);
  open.sealed_grant[open.sealed_grant.size() / 2] ^= 1U;
  expect_refused(open, RefuseCode::grant_invalid);

  open = make_open(grant);
  open.service = ServiceName("echo");
  expect_refused(open, RefuseCode::no_such_service);

  auto foreign = make_grant();
  foreign.device = DeviceName("zyxwvutsrq");
  expect_refused(make_open(foreign), RefuseCode::grant_invalid);

  auto unknown = make_grant("camera");
  expect_refused(make_open(unknown), RefuseCode::no_such_service);

  // The secret of a browser is no proof for tcp.
  expect_refused(make_open(make_grant("echo")), RefuseCode::grant_invalid);

  clock.advance(seconds(400));
  responder.now = clock.now();
  expect_refused(make_open(grant), RefuseCode::grant_expired);
}

TEST_F(DataConnectionTest, RefusesAGrantWhoseSignerIsRevoked) {
  responder.revoked.insert(tree.grants.certificate.serial().hex());
  expect_refused(make_open(make_grant()), RefuseCode::grant_invalid);
}

TEST_F(DataConnectionTest, RefusesAGrantWhileItsSignerCannotBeChecked) {
  responder.lie = Lie::unreachable;
  expect_refused(make_open(make_grant()), RefuseCode::grant_invalid);
}

TEST_F(DataConnectionTest, RefusesAnotherKindOfSignedObject) {
  const auto grant = make_grant();
  auto open = make_open(grant);
  tree.grants = tree.make_leaf(pki::ProfileId::snapshot_signer, tree.control_ca, {});
  open.sealed_grant = tree.seal(grant, pki::ControlKind::snapshot);
  expect_refused(open, RefuseCode::grant_invalid);
}

TEST_F(DataConnectionTest, TheSwitchOnTheDeviceWins) {
  const auto grant = make_grant();
  ASSERT_TRUE(admit(make_open(grant)));
  ASSERT_TRUE(access.set_on(false));
  expect_refused(make_open(grant), RefuseCode::remote_access_off);
  ASSERT_TRUE(access.set_on(true));
  // What was cut stays cut; a new session is needed.
  expect_refused(make_open(grant), RefuseCode::grant_invalid);
  EXPECT_TRUE(admit(make_open(make_grant())));
}

// The device asks somebody on the spot, who says yes once and no from then on.
class ConsentTest : public DataConnectionTest {
 protected:
  Settings asking() const {
    Settings out = state.settings();
    const std::string file = (folder / "asked").native();
    out.consent_command = {"/bin/sh", "-c", "test ! -e " + file + " && echo $SALLYPORT_USER > " + file};
    return out;
  }
  Settings settings = asking();
  DataConnections careful{settings, access, [this] { return web_identity; }, [this] { return pages.connect(); }};
  std::optional<RefuseCode> refusal_of(const tunnel::AccessGrant& grant) {
    io.restart();
    const auto admitted = *net::run(io, careful.admit(make_open(grant)));
    return admitted ? std::nullopt : std::optional(admitted.error());
  }
};

TEST_F(ConsentTest, IsAskedForOncePerSession) {
  const auto grant = make_grant();
  EXPECT_EQ(refusal_of(grant), std::nullopt);
  EXPECT_TRUE(std::filesystem::exists(folder / "asked"));
  EXPECT_EQ(refusal_of(grant), std::nullopt);
  EXPECT_EQ(refusal_of(make_grant()), RefuseCode::consent_denied);
}

TEST_F(DataConnectionTest, OpensNothingWithoutAWebCertificate) {
  web_identity.reset();
  expect_refused(make_open(make_grant()), RefuseCode::service_down);
}

net::Task<void> DataConnectionTest::be_cut() {
  const auto grant = make_grant();
  const DnsName host = tunnel::grant_host(grant, kZone);
  auto admitted = co_await data.admit(make_open(grant));
  CO_ASSERT(admitted);
  auto stream = co_await join_user(*std::move(admitted), host);
  CO_ASSERT(stream);
  http::Client browser(*std::move(stream), host.get());
  auto entered = co_await browser.send(entry(host), kSoon);
  CO_ASSERT(entered && entered->status == 200);
  EXPECT_EQ(access.open_connections(), 1U);
  access.cut(grant.session());
  const auto after = co_await browser.send(get(host, "/", cookie_of(*entered)), kSoon);
  EXPECT_FALSE(after);
  const net::Deadline deadline(kSoon);
  while (access.open_connections() != 0 && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
  EXPECT_EQ(access.open_connections(), 0U);
}

TEST_F(DataConnectionTest, ACutEndsTheConnectionsOfItsSession) {
  run(be_cut());
}

net::Task<void> DataConnectionTest::use_tcp() {
  auto key = testing::new_key();
  const auto certificate = tree.certify(pki::ProfileId::operational_device, tree.online_ca,
                                        {"zyxwvutsrq." + kZone.get()}, key->public_key());
  auto grant = make_grant("echo");
  grant.proof_kind = tunnel::ProofKind::client_key;
  grant.proof_hash = certificate.spki_sha256();
  const DnsName host = tunnel::grant_host(grant, kZone);
  auto admitted = co_await data.admit(make_open(grant));
  CO_ASSERT(admitted);
  crypto::TlsIdentity identity{.chain = {to_bytes(certificate.der())}, .key = key};
  auto stream = co_await join_user(*std::move(admitted), host, std::move(identity));
  CO_ASSERT(stream);
  const Bytes hello = to_bytes(std::string_view("hello"));
  CO_ASSERT(co_await (*stream)->write_all(hello, kSoon));
  Bytes back(hello.size());
  CO_ASSERT(co_await net::read_exactly(**stream, back, kSoon));
  EXPECT_EQ(back, hello);
}

TEST_F(DataConnectionTest, CarriesTcpForTheKeyOfTheGrant) {
  run(use_tcp());
}

net::Task<void> DataConnectionTest::use_tcp_with_another_key() {
  auto grant = make_grant("echo");
  grant.proof_kind = tunnel::ProofKind::client_key;
  const DnsName host = tunnel::grant_host(grant, kZone);
  for (const bool with_key : {false, true}) {
    auto admitted = co_await data.admit(make_open(grant));
    CO_ASSERT(admitted);
    std::optional<crypto::TlsIdentity> identity;
    if (with_key) identity = Tree::identity(tree.gateway, tree.server_ca);
    auto stream = co_await join_user(*std::move(admitted), host, std::move(identity));
    // TLS 1.3: the client may think that it is in until it reads.
    if (!stream) continue;
    Bytes back(1);
    const auto read = co_await (*stream)->read_some(back, kSoon);
    EXPECT_FALSE(read && *read > 0);
  }
}

TEST_F(DataConnectionTest, CarriesNoTcpForAnotherKeyOrNone) {
  run(use_tcp_with_another_key());
}

net::Task<void> DataConnectionTest::browse_device_pages() {
  const auto grant = make_grant(kDeviceService);
  const DnsName host = tunnel::grant_host(grant, kZone);
  auto admitted = co_await data.admit(make_open(grant));
  CO_ASSERT(admitted);
  auto stream = co_await join_user(*std::move(admitted), host);
  CO_ASSERT(stream);
  http::Client browser(*std::move(stream), host.get());
  auto entered = co_await browser.send(entry(host), kSoon);
  CO_ASSERT(entered && entered->status == 200);
  const std::string gate_cookie = cookie_of(*entered);
  auto page = co_await browser.send(get(host, "/", gate_cookie), kSoon);
  CO_ASSERT(page && page->status == 200);
  EXPECT_NE(as_text(page->body).find("Device password"), std::string_view::npos);

  const auto device_secret = state.device_secret();
  CO_ASSERT(device_secret);
  const std::string password = default_password(*device_secret, state.settings().serial_id);
  http::Request login = http::post("/login", "application/x-www-form-urlencoded", to_bytes("password=" + password));
  login.headers.set("Host", host.get());
  login.headers.set("Origin", "https://" + host.get());
  login.headers.set("Cookie", gate_cookie);
  auto in = co_await browser.send(std::move(login), kSoon);
  CO_ASSERT(in && in->status == 303);
  const std::string held = cookie_of(*in);
  EXPECT_TRUE(held.starts_with("__Host-p-")) << held;
  page = co_await browser.send(get(host, "/", gate_cookie + "; " + held), kSoon);
  CO_ASSERT(page && page->status == 200);
  EXPECT_NE(as_text(page->body).find("Choose a password"), std::string_view::npos);
}

TEST_F(DataConnectionTest, ShowsItsOwnPagesBehindGateAndLogin) {
  run(browse_device_pages());
}

}  // namespace
}  // namespace sallyport::agent
