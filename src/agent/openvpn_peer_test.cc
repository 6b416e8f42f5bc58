#include "agent/openvpn_peer.h"

#include <unistd.h>

#include "agent/detail/test_installation.h"
#include "keystore/file.h"

namespace sallyport::agent {
namespace {

// "4c:1f:…", as OpenVPN writes a fingerprint.
std::string with_colons(std::string_view hex) {
  std::string out;
  for (std::size_t at = 0; at < hex.size(); at += 2) {
    if (at > 0) out += ':';
    out += hex.substr(at, 2);
  }
  return out;
}

// What OpenVPN tells about the gateway of a small installation.
class OpenvpnPeerTest : public ::testing::Test {
 protected:
  OpenvpnPeerTest()
      : leaf(tree.gateway.certificate),
        told{.depth = "0",
             .file = write("peer.pem", pki::encode_certificates_pem(std::array{leaf})),
             .sha256 = with_colons(codec::encode_hex(leaf.fingerprint()))} {}

  std::string write(std::string_view name, std::string_view text) const {
    const auto path = folder / std::string(name);
    EXPECT_TRUE(keystore::atomic_write_file(path, as_bytes(text), keystore::kPublicMode));
    return path.native();
  }
  void expect_refused(const OpenvpnPeer& peer, std::string_view word) {
    const auto read = read_openvpn_peer(peer);
    ASSERT_FALSE(read) << word;
    EXPECT_NE(read.error().detail.find(word), std::string::npos) << read.error().detail;
  }

  testing::Folder folder;
  testing::Tree tree;
  pki::Certificate leaf;
  OpenvpnPeer told;
};

TEST_F(OpenvpnPeerTest, IsTheCertificateThatOpenvpnHasSeen) {
  const auto read = read_openvpn_peer(told);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(*read, leaf);
  told.sha256 = codec::encode_hex(leaf.fingerprint());
  EXPECT_TRUE(read_openvpn_peer(told)) << "without colons";
}

TEST_F(OpenvpnPeerTest, OfACaAboveThePeerNothingIsReadBecauseThePeerIsJudgedWithIt) {
  for (const char* depth : {"1", "2", "12"}) {
    const auto read = read_openvpn_peer({.depth = depth, .file = {}, .sha256 = {}});
    ASSERT_TRUE(read) << depth;
    EXPECT_FALSE(*read) << depth;
  }
}

TEST_F(OpenvpnPeerTest, IsRefusedWithoutADepth) {
  for (const char* depth : {"", "-1", "00", "01", "+0", " 0", "0 ", "zero", "1x", "99999"}) {
    told.depth = depth;
    expect_refused(told, "depth");
  }
}

TEST_F(OpenvpnPeerTest, IsRefusedWhenTheEnvironmentLacksAnything) {
  OpenvpnPeer without = told;
  without.file.clear();
  expect_refused(without, "tls-export-cert");
  without = told;
  without.sha256.clear();
  expect_refused(without, "tls_digest_sha256_0");
}

TEST_F(OpenvpnPeerTest, IsRefusedWhenTheFileIsNotThatOneCertificate) {
  const pki::Certificate other = tree.relay.certificate;
  const struct {
    std::string file;
    std::string_view word;
  } table[] = {
      {(folder / "nowhere.pem").native(), "nowhere.pem"},
      {write("other.pem", pki::encode_certificates_pem(std::array{other})), "another certificate"},
      {write("two.pem", pki::encode_certificates_pem(std::array{leaf, other})), "the peer's certificate"},
      {write("empty.pem", ""), "the peer's certificate"},
      {write("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
       "the peer's certificate"},
  };
  for (const auto& [file, word] : table) {
    told.file = file;
    expect_refused(told, word);
  }
}

TEST(OpenvpnHookDeathTest, EndsWhateverItIsDoing) {
  const auto hang = [] {
    end_openvpn_hook_after(seconds(1));
    for (;;) ::pause();
  };
  EXPECT_EXIT(hang(), ::testing::ExitedWithCode(5), "openvpn: no answer in time");
}

}  // namespace
}  // namespace sallyport::agent
