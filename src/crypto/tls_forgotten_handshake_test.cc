// A server that has forgotten its handshake, and OpenSSL at the other end.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/detail/tls_context.h"
#include "crypto/key.h"

namespace sallyport::crypto {
namespace {

Bytes self_signed(const PrivateKey& key) {
  const OwnedCertificate certificate(X509_new());
  X509* raw = certificate.get();
  X509_set_version(raw, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), 7);
  X509_gmtime_adj(X509_getm_notBefore(raw), -60);
  X509_gmtime_adj(X509_getm_notAfter(raw), 3'600);
  X509_set_pubkey(raw, key.native());
  EXPECT_GT(X509_sign(raw, key.native(), EVP_sha256()), 0);
  Bytes der(static_cast<std::size_t>(i2d_X509(raw, nullptr)));
  unsigned char* at = der.data();
  i2d_X509(raw, &at);
  return der;
}

// The client's records lie in memory until they are carried over, so that a test has them in its hands.
class TlsForgottenHandshakeTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    server_end = ends[0];
    client_end = ends[1];
  }
  void TearDown() override {
    ::close(server_end);
    ::close(client_end);
  }

  void connect(const char* suite, bool forgets = true, std::uint8_t fragment = TLSEXT_max_fragment_length_DISABLED) {
    const auto key = std::make_shared<PrivateKey>(PrivateKey::generate());
    TlsServerSettings settings;
    settings.identity = {.chain = {self_signed(*key)}, .key = key};
    settings.client_auth = ClientAuth::required;
    settings.verify_client = [](std::span<const Bytes>) { return Result<void>{}; };
    settings.forgets_handshakes = forgets;
    server.emplace(TlsContext::server(std::move(settings)).value(), server_end);
    client_context.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_ciphersuites(client_context.get(), suite);
    const Bytes own = self_signed(*key);
    SSL_CTX_use_certificate_ASN1(client_context.get(), static_cast<int>(own.size()), own.data());
    SSL_CTX_use_PrivateKey(client_context.get(), key->native());
    client.reset(SSL_new(client_context.get()));
    SSL_set_bio(client.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client.get());
    SSL_set_tlsext_max_fragment_length(client.get(), fragment);
    for (int i = 0; i < 6; ++i) {
      SSL_do_handshake(client.get());
      carry();
      const auto step = server->handshake();
      ASSERT_TRUE(step.has_value()) << step.error().detail;
      fetch();
      if (step->want == TlsWant::nothing && SSL_is_init_finished(client.get()) == 1) break;
    }
    ASSERT_EQ(server->take_peer_chain().size(), 1U);
  }

  Bytes taken_from_client() {
    Bytes wire(BIO_ctrl_pending(SSL_get_wbio(client.get())));
    if (!wire.empty()) BIO_read(SSL_get_wbio(client.get()), wire.data(), static_cast<int>(wire.size()));
    return wire;
  }
  void give(ByteView wire) {
    if (!wire.empty()) EXPECT_EQ(::send(client_end, wire.data(), wire.size(), 0), static_cast<ssize_t>(wire.size()));
  }
  void carry() { give(taken_from_client()); }
  void fetch() {
    std::array<std::uint8_t, 4'096> piece;
    for (ssize_t got; (got = ::recv(client_end, piece.data(), piece.size(), 0)) > 0;)
      BIO_write(SSL_get_rbio(client.get()), piece.data(), static_cast<int>(got));
  }

  std::string to_server(std::string_view text) {
    EXPECT_GT(SSL_write(client.get(), text.data(), static_cast<int>(text.size())), 0);
    carry();
    return server_reads();
  }
  // All that is there; what is no data in between does not end it.
  std::string server_reads() {
    std::string out;
    Bytes piece(100);
    for (int idle = 0; idle < 3;) {
      const auto step = server->read(piece);
      if (!step) return step.error().detail;
      if (step->end_of_stream) return out + "|end";
      if (step->want == TlsWant::nothing) out += as_text(ByteView(piece).first(step->bytes));
      idle = step->want == TlsWant::nothing ? 0 : idle + 1;
    }
    return out;
  }
  std::string to_client(std::string_view text) {
    const auto step = server->write(as_bytes(text));
    EXPECT_TRUE(step && step->bytes == text.size());
    fetch();
    return client_reads();
  }
  std::string client_reads() {
    std::string out(20'000, 0);
    std::size_t count = 0;
    std::size_t all = 0;
    while (SSL_read_ex(client.get(), out.data() + all, out.size() - all, &count) == 1) all += count;
    out.resize(all);
    return out;
  }

  Bytes exported_by_client() {
    Bytes out(48);
    EXPECT_EQ(SSL_export_keying_material(client.get(), out.data(), out.size(), "EXPORTER-test", 13, nullptr, 0, 0), 1);
    return out;
  }

  int server_end = -1, client_end = -1;
  std::optional<TlsSession> server;
  OwnedSslContext client_context;
  OwnedSsl client;
};

INSTANTIATE_TEST_SUITE_P(Suites, TlsForgottenHandshakeTest,
                         ::testing::Values("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256",
                                           "TLS_CHACHA20_POLY1305_SHA256"));

TEST_P(TlsForgottenHandshakeTest, BytesKeysAndExportsAreTheSameAfterwards) {
  connect(GetParam());
  server->forget_handshake();
  EXPECT_EQ(server->export_keying_material("EXPORTER-test", 48), exported_by_client());
  EXPECT_EQ(to_server("from the client"), "from the client");
  EXPECT_EQ(to_client("from the server"), "from the server");
  ASSERT_EQ(SSL_key_update(client.get(), SSL_KEY_UPDATE_REQUESTED), 1);
  EXPECT_EQ(to_server("under new keys"), "under new keys");
  EXPECT_EQ(to_client("and so back"), "and so back");
  ASSERT_EQ(SSL_key_update(client.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
  EXPECT_EQ(to_server("once more"), "once more");
  EXPECT_EQ(to_client("as before"), "as before");
  const std::string long_text(16'384, 'x');
  EXPECT_EQ(to_server(long_text), long_text);
  EXPECT_EQ(to_client(long_text), long_text);
  EXPECT_EQ(server->export_keying_material("EXPORTER-test", 48), exported_by_client());
}

TEST_P(TlsForgottenHandshakeTest, RecordsMayComeInPiecesAndTogether) {
  connect(GetParam());
  server->forget_handshake();
  ASSERT_EQ(SSL_write(client.get(), "piece", 5), 5);
  const Bytes wire = taken_from_client();
  Bytes into(100);
  for (std::size_t i = 0; i + 1 < wire.size(); ++i) {
    give(ByteView(wire).subspan(i, 1));
    const auto step = server->read(into);
    ASSERT_TRUE(step && step->want == TlsWant::read) << i;
    EXPECT_FALSE(server->has_pending());
  }
  give(ByteView(wire).last(1));
  EXPECT_EQ(server_reads(), "piece");
  for (const char* text : {"a", "b", "c"}) ASSERT_EQ(SSL_write(client.get(), text, 1), 1);
  carry();
  EXPECT_EQ(server_reads(), "abc");
  // And a reader may take less than a record holds.
  ASSERT_EQ(SSL_write(client.get(), "rest", 4), 4);
  carry();
  EXPECT_EQ(server->read(std::span(into).first(1))->bytes, 1U);
  EXPECT_TRUE(server->has_pending());
  EXPECT_EQ(server_reads(), "est");
}

TEST_P(TlsForgottenHandshakeTest, BothEndsHearTheOther) {
  connect(GetParam());
  server->forget_handshake();
  ASSERT_EQ(SSL_write(client.get(), "last", 4), 4);
  SSL_shutdown(client.get());
  carry();
  EXPECT_EQ(server_reads(), "last|end");
  EXPECT_EQ(server_reads(), "|end");
  EXPECT_EQ(to_client("but I go on"), "but I go on");
  ASSERT_TRUE(server->shutdown().has_value());
  fetch();
  EXPECT_EQ(client_reads(), "");
  EXPECT_EQ(SSL_get_error(client.get(), 0), SSL_ERROR_ZERO_RETURN);
  EXPECT_EQ(server->write(as_bytes("x")).error().code, Errc::unavailable);
}

TEST_P(TlsForgottenHandshakeTest, WhatIsNotTheClientsEndsItAndTheClientIsTold) {
  connect(GetParam());
  server->forget_handshake();
  ASSERT_EQ(SSL_write(client.get(), "word", 4), 4);
  Bytes wire = taken_from_client();
  wire.back() ^= 1;
  give(wire);
  Bytes into(100);
  EXPECT_EQ(server->read(into).error().code, Errc::malformed);
  EXPECT_EQ(server->read(into).error().code, Errc::unavailable);
  EXPECT_EQ(server->write(as_bytes("x")).error().code, Errc::unavailable);
  fetch();
  ERR_clear_error();
  EXPECT_EQ(client_reads(), "");
  EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
}

TEST_P(TlsForgottenHandshakeTest, AConnectionThatBreaksOffHasNotEnded) {
  connect(GetParam());
  server->forget_handshake();
  ::shutdown(client_end, SHUT_WR);
  Bytes into(100);
  EXPECT_EQ(server->read(into).error().code, Errc::unavailable);
}

TEST_P(TlsForgottenHandshakeTest, SlowReadersGetEverythingOnce) {
  connect(GetParam());
  server->forget_handshake();
  const int small = 4'096;
  ::setsockopt(server_end, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
  std::string text(200'000, 0);
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 / 3);
  std::string got;
  bool waited = false;
  for (ByteView left = as_bytes(text); !left.empty();) {
    const auto step = server->write(left);
    ASSERT_TRUE(step.has_value());
    left = left.subspan(step->bytes);
    waited = waited || step->want == TlsWant::write;
    if (step->want != TlsWant::write) continue;
    EXPECT_EQ(step->bytes, 0U);
    fetch();
    got += client_reads();
    if (got.size() < 50'000) continue;
    // A wish for our keys in the middle of a record.
    SSL_key_update(client.get(), SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(client.get());
    carry();
    EXPECT_EQ(server_reads(), "");
  }
  fetch();
  EXPECT_TRUE(waited);
  EXPECT_TRUE(got + client_reads() == text);
}

TEST_F(TlsForgottenHandshakeTest, SmallClientsGetSmallRecords) {
  for (const int fragment : {TLSEXT_max_fragment_length_512, TLSEXT_max_fragment_length_4096}) {
    connect("TLS_AES_256_GCM_SHA384", true, static_cast<std::uint8_t>(fragment));
    server->forget_handshake();
    const std::string text(10'000, 'x');
    std::size_t records = 0;
    for (ByteView left = as_bytes(text); !left.empty(); ++records) {
      const auto step = server->write(left);
      ASSERT_TRUE(step.has_value());
      left = left.subspan(step->bytes);
    }
    EXPECT_EQ(records, fragment == TLSEXT_max_fragment_length_512 ? 20U : 3U);
    fetch();
    EXPECT_EQ(client_reads(), text);
  }
}

TEST_F(TlsForgottenHandshakeTest, AWriteGoesOnWithWhatItBegan) {
  connect("TLS_AES_256_GCM_SHA384");
  server->forget_handshake();
  const int small = 4'096;
  ::setsockopt(server_end, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
  const Bytes data(kMaxTlsPlaintext);
  while (server->write(data)->want == TlsWant::nothing) {
  }
  EXPECT_EQ(server->write(ByteView(data).first(3)).error().code, Errc::conflict);
  EXPECT_EQ(server->write(data).error().code, Errc::unavailable);
}

TEST_F(TlsForgottenHandshakeTest, NothingIsSaidBehindOurEnd) {
  connect("TLS_AES_256_GCM_SHA384");
  server->forget_handshake();
  ASSERT_TRUE(server->shutdown().has_value());
  give(Bytes{SSL3_RT_ALERT, 3, 3, 0, 2, 1, 0});
  Bytes into(100);
  EXPECT_EQ(server->read(into).error().code, Errc::malformed);
  fetch();
  EXPECT_EQ(client_reads(), "");
  EXPECT_EQ(SSL_get_error(client.get(), 0), SSL_ERROR_ZERO_RETURN);
  EXPECT_EQ(BIO_ctrl_pending(SSL_get_rbio(client.get())), 0U);
}

TEST_F(TlsForgottenHandshakeTest, OnceSomethingWasReadNothingIsForgotten) {
  connect("TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(to_server("early"), "early");
  server->forget_handshake();
  EXPECT_EQ(to_server("late"), "late");
  EXPECT_EQ(to_client("back"), "back");
}

TEST_F(TlsForgottenHandshakeTest, NothingIsForgottenUnasked) {
  connect("TLS_AES_256_GCM_SHA384", false);
  server->forget_handshake();
  EXPECT_EQ(to_server("as ever"), "as ever");
}

TEST_F(TlsForgottenHandshakeTest, TicketsOfForgottenHandshakesAreRefused) {
  const auto key = std::make_shared<PrivateKey>(PrivateKey::generate());
  TlsServerSettings settings;
  settings.identity = {.chain = {self_signed(*key)}, .key = key};
  settings.forgets_handshakes = true;
  settings.session_tickets = true;
  EXPECT_EQ(TlsContext::server(std::move(settings)).error().code, Errc::conflict);
}

}  // namespace
}  // namespace sallyport::crypto
