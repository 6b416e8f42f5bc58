#include "net/tls_stream.h"

#include <array>

#include "net/detail/test_streams.h"

namespace sallyport::net {
namespace {

using crypto::ClientAuth;
using crypto::TlsClientSettings;
using crypto::TlsContext;
using crypto::TlsServerSettings;

Result<void> accept_any(std::span<const Bytes>) {
  return {};
}

TlsServerSettings server_settings() {
  TlsServerSettings settings;
  settings.identity = test_identity("server");
  return settings;
}

TlsClientSettings client_settings() {
  TlsClientSettings settings;
  settings.verify_server = accept_any;
  return settings;
}

struct Outcome {
  Result<StreamPtr> client = fail(Errc::internal, "not run");
  Result<StreamPtr> server = fail(Errc::internal, "not run");
};

Task<void> connect_side(Outcome& outcome, StreamPtr lower, std::shared_ptr<TlsContext> context, std::string name) {
  outcome.client = co_await tls_connect(std::move(lower), std::move(context), std::move(name), kSoon);
}

Task<void> accept_side(Outcome& outcome, StreamPtr lower, std::shared_ptr<TlsContext> context) {
  outcome.server = co_await tls_accept(std::move(lower), std::move(context), kSoon);
}

// Shakes hands over a pair of sockets. In TLS 1.3 a client is done before the server has looked at its certificate.
Outcome shake(Io& io, const std::shared_ptr<TlsContext>& server, const std::shared_ptr<TlsContext>& client,
              const std::string& name = "server.test") {
  ignore_sigpipe();
  Outcome outcome;
  auto ends = unix_pair(io.executor());
  run(io, join(connect_side(outcome, std::move(ends.first), client, name),
               accept_side(outcome, std::move(ends.second), server)));
  return outcome;
}

Outcome shake(Io& io, TlsServerSettings server, TlsClientSettings client, const std::string& name = "server.test") {
  auto server_context = TlsContext::server(std::move(server));
  auto client_context = TlsContext::client(std::move(client));
  EXPECT_TRUE(server_context && client_context);
  return shake(io, *server_context, *client_context, name);
}

Task<void> talk(Stream& a, Stream& b) {
  co_await send_text(a, "question");
  EXPECT_TRUE(co_await a.shutdown_write(kSoon));
  EXPECT_EQ(co_await read_text(b), "question");
  co_await send_text(b, "answer");
  EXPECT_TRUE(co_await b.shutdown_write(kSoon));
  EXPECT_EQ(co_await read_text(a), "answer");
}

Task<void> read_after_refusal(Stream& stream, Errc wanted) {
  std::array<std::uint8_t, 16> buffer{};
  auto got = co_await stream.read_some(buffer, kSoon);
  EXPECT_TRUE(!got && got.error().code == wanted) << (got ? "bytes" : got.error().detail);
}

TEST(TlsStream, CarriesBytesBothWaysAndNamesItsPeer) {
  Io io;
  auto server = server_settings();
  server.client_auth = ClientAuth::required;
  server.verify_client = accept_any;
  server.alpn = {"b", "a"};
  auto client = client_settings();
  client.identity = test_identity("client");
  client.alpn = {"a", "b"};
  auto outcome = shake(io, std::move(server), std::move(client), "server.test");
  ASSERT_TRUE(outcome.client && outcome.server);
  const auto& peer = (*outcome.server)->peer();
  EXPECT_TRUE(peer.tls);
  EXPECT_EQ(peer.server_name, "server.test");
  EXPECT_EQ(peer.alpn, "b");
  ASSERT_EQ(peer.tls_chain.size(), 2U);
  EXPECT_EQ(peer.tls_chain.front(), fixture("client.der"));
  EXPECT_EQ((*outcome.client)->peer().tls_chain.front(), fixture("server.der"));
  const auto exported = export_keying_material(**outcome.client, "EXPORTER-test", 32);
  ASSERT_TRUE(exported);
  EXPECT_EQ(*exported, *export_keying_material(**outcome.server, "EXPORTER-test", 32));
  EXPECT_FALSE((*outcome.client)->release());
  run(io, talk(**outcome.client, **outcome.server));
}

Task<void> write_much(Stream& stream) {
  const Bytes much(3'000'000, 7);
  EXPECT_TRUE(co_await stream.write_all(much, kSoon));
  EXPECT_TRUE(co_await stream.shutdown_write(kSoon));
}

Task<void> read_much(Stream& stream) {
  auto all = co_await read_to_end(stream, 3'000'000, kSoon);
  EXPECT_TRUE(all && all->size() == 3'000'000 && all->back() == 7);
}

TEST(TlsStream, LongWritesWaitForTheReader) {
  Io io;
  auto outcome = shake(io, server_settings(), client_settings());
  ASSERT_TRUE(outcome.client && outcome.server);
  run(io, join(write_much(**outcome.client), read_much(**outcome.server)));
}

TEST(TlsStream, TheVerifiersOwnErrorComesBack) {
  Io io;
  auto client = client_settings();
  client.verify_server = [](std::span<const Bytes> chain) -> Result<void> {
    return failf(Errc::expired, "test: {} certificates", chain.size());
  };
  auto outcome = shake(io, server_settings(), std::move(client));
  ASSERT_FALSE(outcome.client);
  EXPECT_EQ(outcome.client.error().code, Errc::expired);
  EXPECT_EQ(outcome.client.error().detail, "test: 2 certificates");
  ASSERT_FALSE(outcome.server);
  EXPECT_EQ(outcome.server.error().code, Errc::unauthorized);
}

TEST(TlsStream, AClientWithoutItsCertificateIsRefused) {
  Io io;
  auto server = server_settings();
  server.client_auth = ClientAuth::required;
  server.verify_client = accept_any;
  auto outcome = shake(io, server, client_settings());
  ASSERT_FALSE(outcome.server);
  EXPECT_EQ(outcome.server.error().code, Errc::unauthorized);
  ASSERT_TRUE(outcome.client);
  outcome.server = fail(Errc::internal, "closed");
  run(io, read_after_refusal(**outcome.client, Errc::unauthorized));
  server.client_auth = ClientAuth::optional;
  EXPECT_TRUE(shake(io, server, client_settings()).server);
}

TEST(TlsStream, TheClientsCertificateGoesToTheVerifier) {
  Io io;
  auto server = server_settings();
  server.client_auth = ClientAuth::optional;
  server.verify_client = [](std::span<const Bytes>) -> Result<void> {
    return fail(Errc::unauthorized, "test: unlisted");
  };
  auto client = client_settings();
  client.identity = test_identity("client");
  auto outcome = shake(io, std::move(server), std::move(client));
  ASSERT_FALSE(outcome.server);
  EXPECT_EQ(outcome.server.error().detail, "test: unlisted");
  ASSERT_TRUE(outcome.client);
  run(io, read_after_refusal(**outcome.client, Errc::unauthorized));
}

TEST(TlsStream, ClientCertificatesMayDependOnTheName) {
  Io io;
  auto server = server_settings();
  server.verify_client = accept_any;
  server.client_auth_for = [](std::string_view name) {
    return name == "api.server.test" ? ClientAuth::required : ClientAuth::none;
  };
  EXPECT_TRUE(shake(io, server, client_settings(), "server.test").server);
  EXPECT_FALSE(shake(io, server, client_settings(), "api.server.test").server);
}

TEST(TlsStream, ChoosesTheCertificateByNameInAnyCase) {
  Io io;
  auto server = server_settings();
  server.identity_for = [](std::string_view name) -> Result<crypto::TlsIdentity> {
    if (name == "second.test") return test_identity("second");
    if (name == "server.test") return test_identity("server");
    return fail(Errc::not_found, "test: unknown name");
  };
  auto second = shake(io, server, client_settings(), "SECOND.test");
  ASSERT_TRUE(second.client && second.server);
  EXPECT_EQ((*second.client)->peer().tls_chain.front(), fixture("second.der"));
  EXPECT_EQ((*second.server)->peer().server_name, "second.test");
  for (const auto* name : {"third.test", "", "bad_name.test", "second.test.", "-a.test", "a..test"}) {
    auto refused = shake(io, server, client_settings(), name);
    EXPECT_FALSE(refused.server) << name;
    ASSERT_FALSE(refused.client) << name;
    EXPECT_EQ(refused.client.error().code, Errc::unauthorized) << name << ": " << refused.client.error().detail;
  }
}

TEST(TlsStream, AlpnIsRequiredWhereItIs) {
  Io io;
  auto server = server_settings();
  server.alpn = {"sallyport-control/1"};
  server.require_alpn = true;
  for (const auto& offered : {std::vector<std::string>{}, std::vector<std::string>{"h2"}}) {
    auto client = client_settings();
    client.alpn = offered;
    auto outcome = shake(io, server, std::move(client));
    EXPECT_FALSE(outcome.server);
    ASSERT_FALSE(outcome.client);
    EXPECT_EQ(outcome.client.error().code, Errc::unauthorized) << outcome.client.error().detail;
  }
  server.require_alpn = false;
  auto outcome = shake(io, server, client_settings());
  ASSERT_TRUE(outcome.server);
  EXPECT_EQ((*outcome.server)->peer().alpn, "");
}

TEST(TlsStream, ALongChainIsRefused) {
  Io io;
  auto server = server_settings();
  while (server.identity.chain.size() <= crypto::kMaxPeerCertificates)
    server.identity.chain.push_back(fixture("ca.der"));
  auto outcome = shake(io, std::move(server), client_settings());
  ASSERT_FALSE(outcome.client);
  EXPECT_EQ(outcome.client.error().code, Errc::malformed);
}

Task<void> exchange_byte(Stream& from, Stream& to) {
  co_await send_text(from, "x");
  std::array<std::uint8_t, 1> byte{};
  EXPECT_TRUE(co_await read_exactly(to, byte, kSoon));
}

TEST(TlsStream, AResumedSessionAsksTheVerifierAgain) {
  Io io;
  auto server = server_settings();
  server.session_tickets = true;
  int asked = 0;
  bool refuse = false;
  auto client = client_settings();
  client.resume = true;
  client.verify_server = [&](std::span<const Bytes> chain) -> Result<void> {
    ++asked;
    EXPECT_EQ(chain.size(), 2U);
    if (refuse) return fail(Errc::expired, "test: no longer");
    return {};
  };
  auto server_context = *TlsContext::server(std::move(server));
  auto client_context = *TlsContext::client(std::move(client));
  for (int i = 1; i <= 2; ++i) {
    auto outcome = shake(io, server_context, client_context);
    ASSERT_TRUE(outcome.client && outcome.server);
    EXPECT_EQ(asked, i);
    EXPECT_EQ((*outcome.client)->peer().tls_chain.size(), 2U);
    EXPECT_EQ(is_resumed(**outcome.client), i == 2);
    run(io, exchange_byte(**outcome.server, **outcome.client));  // brings the ticket too
  }
  refuse = true;
  auto refused = shake(io, server_context, client_context);
  ASSERT_FALSE(refused.client);
  EXPECT_EQ(refused.client.error().detail, "test: no longer");
}

// A server that asks for certificates and knows one key, and a client that has both.
struct KnownKey {
  Bytes identity = to_bytes("who I was");
  int certificates = 0;
  int keys = 0;

  TlsServerSettings server() {
    auto settings = server_settings();
    settings.client_auth = ClientAuth::required;
    settings.verify_client = [this](std::span<const Bytes>) -> Result<void> {
      ++certificates;
      return {};
    };
    settings.find_psk = [this](ByteView offered) -> std::optional<crypto::Psk> {
      if (to_bytes(offered) != identity) return std::nullopt;
      ++keys;
      return key(1);
    };
    return settings;
  }

  TlsClientSettings client(Bytes offered, std::uint8_t filled_with) {
    auto settings = client_settings();
    settings.identity = test_identity("client");
    settings.resumption = std::make_shared<crypto::TlsResumption>(crypto::TlsResumption{
        .identity = std::move(offered), .key = key(filled_with), .server_chain = test_identity("server").chain});
    return settings;
  }

  static crypto::Psk key(std::uint8_t filled_with) { return *crypto::Psk::from(Bytes(crypto::kPskBytes, filled_with)); }
};

TEST(TlsStream, AKeyThatBothHoldStandsForTheCertificates) {
  Io io;
  KnownKey known;
  auto client = known.client(known.identity, 1);
  std::size_t asked_about = 0;
  client.verify_server = [&](std::span<const Bytes> chain) -> Result<void> {
    asked_about = chain.size();
    return {};
  };
  auto outcome = shake(io, known.server(), std::move(client));
  ASSERT_TRUE(outcome.client && outcome.server);
  EXPECT_EQ(known.certificates, 0);
  EXPECT_EQ(to_bytes(psk_identity(**outcome.server)), known.identity);
  EXPECT_TRUE(psk_identity(**outcome.client).empty());
  EXPECT_TRUE(is_resumed(**outcome.client));
  EXPECT_EQ(asked_about, 2U);
  EXPECT_TRUE((*outcome.server)->peer().tls_chain.empty());
  EXPECT_EQ((*outcome.client)->peer().tls_chain.size(), 2U);
  run(io, talk(**outcome.client, **outcome.server));
}

TEST(TlsStream, AnUnknownIdentityMakesAFullHandshake) {
  Io io;
  KnownKey known;
  auto outcome = shake(io, known.server(), known.client(to_bytes("somebody else"), 1));
  ASSERT_TRUE(outcome.client && outcome.server);
  EXPECT_EQ(known.certificates, 1);
  EXPECT_EQ(known.keys, 0);
  EXPECT_TRUE(psk_identity(**outcome.server).empty());
  EXPECT_FALSE(is_resumed(**outcome.client));
}

TEST(TlsStream, AnotherKeyUnderAKnownIdentityIsRefused) {
  Io io;
  KnownKey known;
  auto outcome = shake(io, known.server(), known.client(known.identity, 2));
  EXPECT_FALSE(outcome.client);
  EXPECT_FALSE(outcome.server);
  EXPECT_EQ(known.certificates, 0);
}

TEST(TlsStream, AServerWhoseOldChainIsRefusedGetsNothing) {
  Io io;
  KnownKey known;
  auto client = known.client(known.identity, 1);
  client.verify_server = [](std::span<const Bytes>) -> Result<void> { return fail(Errc::expired, "test: no longer"); };
  auto outcome = shake(io, known.server(), std::move(client));
  ASSERT_FALSE(outcome.client);
  EXPECT_EQ(outcome.client.error().detail, "test: no longer");
}

TEST(TlsStream, AServerWithoutSuchKeysAsksForTheCertificate) {
  Io io;
  KnownKey known;
  auto server = known.server();
  server.find_psk = nullptr;
  auto outcome = shake(io, std::move(server), known.client(known.identity, 1));
  ASSERT_TRUE(outcome.client && outcome.server);
  EXPECT_EQ(known.certificates, 1);
}

TEST(TlsStream, StaplesWhatItIsGiven) {
  Io io;
  auto server = server_settings();
  server.ocsp_staple = [](std::string_view) { return to_bytes("staple"); };
  auto client = client_settings();
  client.request_ocsp_staple = true;
  auto outcome = shake(io, std::move(server), std::move(client));
  ASSERT_TRUE(outcome.client);
  EXPECT_EQ(*stapled_ocsp(**outcome.client), to_bytes("staple"));
}

Task<void> garbage(StreamPair ends, std::shared_ptr<TlsContext> context) {
  co_await send_text(*ends.first, "GET / HTTP/1.1\r\n\r\n");
  auto accepted = co_await tls_accept(std::move(ends.second), context, kSoon);
  EXPECT_TRUE(!accepted && accepted.error().code == Errc::malformed);
}

Task<void> silence(StreamPair ends, std::shared_ptr<TlsContext> context) {
  auto accepted = co_await tls_accept(std::move(ends.second), context, kAtOnce);
  EXPECT_TRUE(!accepted && accepted.error().code == Errc::expired);
}

Task<void> goodbye(StreamPair ends, std::shared_ptr<TlsContext> context) {
  ends.first->close();
  auto accepted = co_await tls_accept(std::move(ends.second), context, kSoon);
  EXPECT_TRUE(!accepted && accepted.error().code == Errc::unavailable);
}

Task<void> not_a_socket(StreamPair ends, std::shared_ptr<TlsContext> context) {
  auto accepted = co_await tls_accept(std::move(ends.second), context, kSoon);
  EXPECT_TRUE(!accepted && accepted.error().code == Errc::conflict);
}

TEST(TlsStream, ClassifiesWhatIsNoHandshake) {
  Io io;
  auto context = *TlsContext::server(server_settings());
  run(io, garbage(unix_pair(io.executor()), context));
  run(io, silence(unix_pair(io.executor()), context));
  run(io, goodbye(unix_pair(io.executor()), context));
  run(io, not_a_socket(make_pipe(io.executor()), context));
}

TEST(TlsContext, RefusesChoicesThatContradict) {
  auto tickets = server_settings();
  tickets.session_tickets = true;
  tickets.client_auth = ClientAuth::required;
  tickets.verify_client = accept_any;
  EXPECT_FALSE(TlsContext::server(tickets));
  auto unverified = server_settings();
  unverified.client_auth = ClientAuth::optional;
  EXPECT_FALSE(TlsContext::server(unverified));
  EXPECT_FALSE(TlsContext::client({}));
  EXPECT_FALSE(TlsContext::server({}));
  auto mismatched = server_settings();
  mismatched.identity.key = test_identity("second").key;
  EXPECT_FALSE(TlsContext::server(mismatched));
  auto nameless = server_settings();
  nameless.client_issuers = {Bytes{0x30, 0x00}, Bytes{0x30}};
  EXPECT_FALSE(TlsContext::server(nameless));
  nameless.client_issuers = std::vector<Bytes>(crypto::kMaxClientIssuers + 1, Bytes{0x30, 0x00});
  EXPECT_FALSE(TlsContext::server(nameless));
  KnownKey known;
  EXPECT_FALSE(TlsContext::client(known.client({}, 1)));
  EXPECT_FALSE(TlsContext::client(known.client(Bytes(crypto::kMaxPskIdentity + 1), 1)));
  auto twice = known.client(known.identity, 1);
  twice.resume = true;
  EXPECT_FALSE(TlsContext::client(twice));
}

}  // namespace
}  // namespace sallyport::net
