// A whole tree of an installation, issued by this layer. For tests alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pki/issue.h"

namespace sallyport::pki {

inline constexpr UnixTime kTestNow{1'780'315'200};  // 2026-06-01T12:00:00Z

struct TestCa {
  Certificate certificate;
  std::shared_ptr<crypto::PrivateKey> key;
};
using TestLeaf = TestCa;

class TestTree {
 public:
  explicit TestTree(std::uint64_t seed = 1, std::optional<crypto::Sha256Digest> next_root = std::nullopt,
                    UnixTime start = kTestNow)
      : random(seed), now(start), root_key(new_key()), root(make_root(next_root)) {}

  static std::shared_ptr<crypto::PrivateKey> new_key() {
    return std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
  }

  CertificateFields fields(const Profile& profile, const Certificate* issuer, std::string name,
                           const crypto::PublicKey& key, std::vector<std::string> dns_names) {
    return {.common_name = std::move(name),
            .organization = "",
            .dns_names = std::move(dns_names),
            .public_key = key,
            .validity = choose_validity(profile, issuer, now, kUnlimited),
            .serial = SerialNumber::draw(random),
            .permitted_dns = {},
            .ocsp_urls = {},
            .crl_urls = {},
            .ca_issuer_urls = {},
            .next_root_key = std::nullopt};
  }

  static std::vector<std::string> namespaces(ProfileId id) {
    switch (id) {
      case ProfileId::online_ca:
      case ProfileId::web_ca:
      case ProfileId::web_ca_twin:
        return {"devices.example"};
      case ProfileId::local_ca:
        return {"site-7.factory.devices.example"};
      case ProfileId::server_ca:
      case ProfileId::server_ca_twin:
        return {"devices.example", "console.example"};
      case ProfileId::people_ca:
        return {"people.devices.example"};
      case ProfileId::roles_ca:
        return {"internal.devices.example"};
      default:
        return {};
    }
  }

  TestCa make_ca(ProfileId id) {
    auto key = new_key();
    const Profile& row = profile(id);
    CertificateFields out = fields(row, &root, ca_common_name(row.name, "test"), key->public_key(), {});
    out.permitted_dns = namespaces(id);
    out.crl_urls = {"http://status.devices.example/crl/root"};
    return {must(prepare(row, out, root, now), *root_key), key};
  }

  TestLeaf make_leaf(ProfileId id, const TestCa& ca, std::vector<std::string> dns_names, std::string name = "leaf") {
    auto key = new_key();
    const Profile& row = profile(id);
    const CertificateFields out =
        fields(row, &ca.certificate, std::move(name), key->public_key(), std::move(dns_names));
    return {must(prepare(row, out, ca.certificate, now), *ca.key), key};
  }

  static Certificate must(Result<LintedCertificate> linted, crypto::SigningKey& key) {
    EXPECT_TRUE(linted) << linted.error().detail;
    auto issued = issue(*std::move(linted), key);
    EXPECT_TRUE(issued) << issued.error().detail;
    return *std::move(issued);
  }

  SeededRandom random;
  UnixTime now;
  std::shared_ptr<crypto::PrivateKey> root_key;
  Certificate root;

 private:
  Certificate make_root(std::optional<crypto::Sha256Digest> next_root) {
    const Profile& row = profile(ProfileId::root);
    CertificateFields out = fields(row, nullptr, ca_common_name("root", "test"), root_key->public_key(), {});
    out.next_root_key = next_root;
    return must(prepare_self_signed(row, out, now), *root_key);
  }
};

}  // namespace sallyport::pki
