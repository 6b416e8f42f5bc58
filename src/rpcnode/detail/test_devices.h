// What the tests of rpcnode/ share: an installation's root, and devices that tell of themselves. For tests alone.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "crypto/system_random.h"
#include "pki/issue.h"
#include "sealed/signed_bundle.h"

namespace sallyport::rpcnode {

inline constexpr UnixTime kTestNow{1'800'000'000};

struct TestDevice {
  DeviceName name;
  crypto::PrivateKey key;
  pki::Certificate certificate;
};

class TestDevices {
 public:
  TestDevices() : root_(make_root()), online_(make_online()) {}

  const pki::Certificate& root() const { return root_; }
  static DnsName zone() { return DnsName("devices.example"); }

  TestDevice make(const std::string& name) {
    auto key = crypto::PrivateKey::generate();
    const auto& profile = pki::profile(pki::ProfileId::operational_device);
    const auto fields =
        fields_of(profile, &online_, name, key.public_key(), {name + "." + zone().get()}, {}, pki::kUnlimited);
    auto certificate = must(pki::prepare(profile, fields, online_, kTestNow), online_key_);
    return {.name = DeviceName(name), .key = std::move(key), .certificate = std::move(certificate)};
  }

  Bytes bundle(TestDevice& device, const std::string& node, std::uint64_t sequence = 1,
               UnixTime from = kTestNow) const {
    const sealed::Bundle told{.node = sealed::NodeName(node),
                              .prekey = {1, 2, 3},
                              .prekey_id = 7,
                              .not_before = from,
                              .not_after = from + sealed::kBundleLife,
                              .sequence = sequence};
    const std::vector<pki::Certificate> chain = {device.certificate, online_};
    auto signed_bundle = sealed::sign_bundle(told, device.key, chain);
    EXPECT_TRUE(signed_bundle);
    return signed_bundle.value_or(Bytes());
  }

 private:
  pki::CertificateFields fields_of(const pki::Profile& profile, const pki::Certificate* issuer, std::string name,
                                   const crypto::PublicKey& key, std::vector<std::string> dns_names,
                                   std::vector<std::string> permitted, seconds life) {
    return {.common_name = std::move(name),
            .organization = "",
            .dns_names = std::move(dns_names),
            .public_key = key,
            .validity = pki::choose_validity(profile, issuer, kTestNow, life),
            .serial = pki::SerialNumber::draw(random_),
            .permitted_dns = std::move(permitted),
            .ocsp_urls = {},
            .crl_urls = {},
            .ca_issuer_urls = {},
            .next_root_key = std::nullopt};
  }
  static pki::Certificate must(Result<pki::LintedCertificate> linted, crypto::SigningKey& key) {
    EXPECT_TRUE(linted) << (linted ? "" : linted.error().detail);
    auto issued = pki::issue(*std::move(linted), key);
    EXPECT_TRUE(issued);
    return *std::move(issued);
  }
  pki::Certificate make_root() {
    const auto& profile = pki::profile(pki::ProfileId::root);
    const auto fields =
        fields_of(profile, nullptr, "Sallyport root test", root_key_.public_key(), {}, {}, profile.longest);
    return must(pki::prepare_self_signed(profile, fields, kTestNow), root_key_);
  }
  pki::Certificate make_online() {
    const auto& profile = pki::profile(pki::ProfileId::online_ca);
    const auto fields = fields_of(profile, &root_, "Sallyport online-ca test", online_key_.public_key(), {},
                                  {zone().get()}, pki::kUnlimited);
    return must(pki::prepare(profile, fields, root_, kTestNow), root_key_);
  }

  crypto::SystemRandom random_;
  crypto::PrivateKey root_key_ = crypto::PrivateKey::generate();
  crypto::PrivateKey online_key_ = crypto::PrivateKey::generate();
  pki::Certificate root_;
  pki::Certificate online_;
};

}  // namespace sallyport::rpcnode
