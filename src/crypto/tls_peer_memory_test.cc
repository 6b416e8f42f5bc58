// What a server forgets of its client's certificates, and that the connection does not notice.
#include <gtest/gtest.h>

#include <openssl/x509v3.h>

#include "crypto/detail/tls_context.h"
#include "crypto/key.h"

namespace sallyport::crypto {
namespace {

using OwnedBio = Owned<BIO, BIO_free_all>;

struct Shown {
  PrivateKey key = PrivateKey::generate();
  OwnedCertificate certificate{X509_new()};
};

Shown make_shown(const char* name, const Shown* issuer) {
  Shown out;
  X509* raw = out.certificate.get();
  X509_set_version(raw, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), 7);
  X509_gmtime_adj(X509_getm_notBefore(raw), -60);
  X509_gmtime_adj(X509_getm_notAfter(raw), 3'600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(raw), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_issuer_name(raw, X509_get_subject_name(issuer == nullptr ? raw : issuer->certificate.get()));
  X509_set_pubkey(raw, out.key.native());
  EXPECT_GT(X509_sign(raw, issuer == nullptr ? out.key.native() : issuer->key.native(), EVP_sha256()), 0);
  return out;
}

// Client and server over a pair of buffers.
class TlsPeerMemoryTest : public ::testing::Test {
 protected:
  static OwnedSslContext make_context(const SSL_METHOD* method, const Shown& shown, X509* issuer) {
    OwnedSslContext out(SSL_CTX_new(method));
    SSL_CTX_set_min_proto_version(out.get(), TLS1_3_VERSION);
    SSL_CTX_use_certificate(out.get(), shown.certificate.get());
    SSL_CTX_use_PrivateKey(out.get(), shown.key.native());
    if (issuer != nullptr) SSL_CTX_add1_chain_cert(out.get(), issuer);
    SSL_CTX_set_cert_verify_callback(out.get(), [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    SSL_CTX_set_num_tickets(out.get(), 0);
    return out;
  }

  void connect(bool client_shows) {
    const Shown ca = make_shown("ca", nullptr);
    const Shown leaf = make_shown("leaf", &ca);
    server_context_ = make_context(TLS_server_method(), leaf, ca.certificate.get());
    client_context_ = make_context(TLS_client_method(), leaf, ca.certificate.get());
    SSL_CTX_set_verify(server_context_.get(), client_shows ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    server.reset(SSL_new(server_context_.get()));
    client.reset(SSL_new(client_context_.get()));
    BIO* near = nullptr;
    BIO* far = nullptr;
    ASSERT_EQ(BIO_new_bio_pair(&near, 0, &far, 0), 1);
    SSL_set_bio(server.get(), near, near);
    SSL_set_bio(client.get(), far, far);
    SSL_set_accept_state(server.get());
    SSL_set_connect_state(client.get());
    for (int i = 0; i < 10; ++i) {
      SSL_do_handshake(client.get());
      SSL_do_handshake(server.get());
    }
    ASSERT_EQ(SSL_is_init_finished(server.get()), 1);
  }

  static std::string pass(SSL* from, SSL* to, std::string_view text) {
    EXPECT_GT(SSL_write(from, text.data(), static_cast<int>(text.size())), 0);
    std::array<char, 64> got{};
    const int count = SSL_read(to, got.data(), static_cast<int>(got.size()));
    return count > 0 ? std::string(got.data(), static_cast<std::size_t>(count)) : std::string("nothing");
  }

  static Bytes export_from(SSL* ssl) {
    Bytes out(32);
    EXPECT_EQ(SSL_export_keying_material(ssl, out.data(), out.size(), "EXPORTER-test", 13, nullptr, 0, 0), 1);
    return out;
  }

  OwnedSslContext server_context_, client_context_;

 public:
  OwnedSsl server, client;
};

TEST_F(TlsPeerMemoryTest, ServerKeepsNeitherLeafNorChainAfterDroppingThem) {
  connect(true);
  ASSERT_NE(SSL_get0_peer_certificate(server.get()), nullptr);
  ASSERT_EQ(sk_X509_num(SSL_get_peer_cert_chain(server.get())), 1);
  drop_peer_certificates(server.get());
  EXPECT_EQ(SSL_get0_peer_certificate(server.get()), nullptr);
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(server.get())), 0);
}

TEST_F(TlsPeerMemoryTest, BytesKeysAndExportsAreTheSameAfterwards) {
  connect(true);
  const Bytes exported = export_from(client.get());
  drop_peer_certificates(server.get());
  EXPECT_EQ(export_from(server.get()), exported);
  EXPECT_EQ(pass(client.get(), server.get(), "from the client"), "from the client");
  EXPECT_EQ(pass(server.get(), client.get(), "from the server"), "from the server");
  ASSERT_EQ(SSL_key_update(client.get(), SSL_KEY_UPDATE_REQUESTED), 1);
  EXPECT_EQ(pass(client.get(), server.get(), "under new keys"), "under new keys");
  EXPECT_EQ(pass(server.get(), client.get(), "and so back"), "and so back");
  ASSERT_EQ(SSL_key_update(server.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
  EXPECT_EQ(pass(server.get(), client.get(), "of the server's own"), "of the server's own");
  EXPECT_EQ(export_from(server.get()), exported);
}

TEST_F(TlsPeerMemoryTest, ItsEndIsHeardAndABrokenRecordStillEndsIt) {
  connect(true);
  drop_peer_certificates(server.get());
  std::array<char, 8> got{};
  const unsigned char garbage[] = {23, 3,  3,  0,  20, 1,  2,  3,  4,  5,  6,  7, 8,
                                   9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
  ASSERT_EQ(BIO_write(SSL_get_wbio(client.get()), garbage, sizeof garbage), int{sizeof garbage});
  EXPECT_LE(SSL_read(server.get(), got.data(), got.size()), 0);
  EXPECT_EQ(SSL_get_error(server.get(), -1), SSL_ERROR_SSL);
  ERR_clear_error();
  EXPECT_LE(SSL_read(client.get(), got.data(), got.size()), 0);
  EXPECT_EQ(ERR_GET_REASON(ERR_get_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
}

TEST_F(TlsPeerMemoryTest, ClientThatShowedNoneIsServedOn) {
  connect(false);
  drop_peer_certificates(server.get());
  EXPECT_EQ(pass(client.get(), server.get(), "still here"), "still here");
}

}  // namespace
}  // namespace sallyport::crypto
