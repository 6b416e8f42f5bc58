// For tests: a root, a permit signer and the CA of one site, in memory.
#pragma once

#include <array>
#include <string>

#include "crypto/system_random.h"
#include "pki/issue.h"
#include "pki/permit.h"
#include "pki/signed_object.h"

namespace sallyport::factory {

inline constexpr UnixTime kTestNow{1'800'000'000};

class TestSite {
 public:
  crypto::SystemRandom random;
  crypto::PrivateKey root_key = crypto::PrivateKey::generate();
  crypto::PrivateKey control_key = crypto::PrivateKey::generate();
  crypto::PrivateKey permit_key = crypto::PrivateKey::generate();
  crypto::PrivateKey site_key = crypto::PrivateKey::generate();
  DnsName zone{"devices.example"};
  DnsName name_space{"acme.factory.devices.example"};
  pki::Certificate root = make_root();
  pki::Certificate control_ca =
      make(pki::ProfileId::control_ca, "Sallyport control-ca test", control_key.public_key(), root, root_key, {}, {});
  pki::Certificate permit_signer =
      make(pki::ProfileId::permit_signer, "permit", permit_key.public_key(), control_ca, control_key, {}, {});
  pki::Certificate ca = site_ca(site_key.public_key(), name_space.get());

  pki::Certificate site_ca(const crypto::PublicKey& key, const std::string& permitted) {
    return make(pki::ProfileId::local_ca, "Sallyport local-ca/acme test", key, root, root_key, {}, {permitted});
  }
  pki::Certificate device(const std::string& id, const crypto::PublicKey& key) {
    return make(pki::ProfileId::factory_device, id, key, ca, site_key, {under(id, name_space).get()}, {});
  }
  pki::SitePermit permit(std::uint64_t number = 1, std::uint64_t count = 10) const {
    return {.number = number,
            .installation = "test",
            .site = SiteName("acme"),
            .name_space = name_space,
            .count = count,
            .not_before = kTestNow,
            .not_after = kTestNow + 30 * kDay};
  }
  Bytes seal(const pki::SitePermit& permit) {
    const std::array chain{permit_signer, control_ca};
    return *pki::seal_object(pki::ControlKind::permit, pki::encode_permit(permit), permit_key, chain);
  }
  static std::string pem(const pki::Certificate& certificate) {
    const std::array one{certificate};
    return pki::encode_certificates_pem(one);
  }

 private:
  pki::Certificate make_root() {
    const auto& profile = pki::profile(pki::ProfileId::root);
    const pki::CertificateFields fields{.common_name = "Sallyport root test",
                                        .public_key = root_key.public_key(),
                                        .validity = pki::choose_validity(profile, nullptr, kTestNow, profile.longest),
                                        .serial = pki::SerialNumber::draw(random)};
    return *pki::issue(*pki::prepare_self_signed(profile, fields, kTestNow), root_key);
  }
  pki::Certificate make(pki::ProfileId id, const std::string& name, const crypto::PublicKey& key,
                        const pki::Certificate& issuer, crypto::PrivateKey& issuer_key, std::vector<std::string> names,
                        std::vector<std::string> permitted) {
    const auto& profile = pki::profile(id);
    const pki::CertificateFields fields{.common_name = name,
                                        .dns_names = std::move(names),
                                        .public_key = key,
                                        .validity = pki::choose_validity(profile, &issuer, kTestNow, profile.longest),
                                        .serial = pki::SerialNumber::draw(random),
                                        .permitted_dns = std::move(permitted)};
    return *pki::issue(*pki::prepare(profile, fields, issuer, kTestNow), issuer_key);
  }
};

}  // namespace sallyport::factory
