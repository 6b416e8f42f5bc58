// The step of init that makes self-signed twins of the CAs that foreign trust stores need.
#include <array>

#include "folders.h"
#include "init_steps.h"
#include "pki/issue.h"

namespace sallyport::cli {
namespace {

struct Twin {
  std::string_view ca;
  pki::ProfileId profile;
};
constexpr std::array kTwins = {Twin{"server-ca", pki::ProfileId::server_ca_twin},
                               Twin{"web-ca", pki::ProfileId::web_ca_twin}};

// The same key, name, constraints and end as `ca`, signed by that key itself.
Result<pki::Certificate> make_twin(const pki::Certificate& ca, crypto::PrivateKey& key, const pki::Profile& profile,
                                   UnixTime now, Random& random) {
  const auto& constraints = ca.extensions().name_constraints;
  const pki::CertificateFields fields{
      .common_name = ca.subject().common_name().value_or(""),
      .organization = {},
      .dns_names = {},
      .public_key = ca.public_key(),
      .validity = pki::choose_validity(profile, nullptr, now, ca.validity().not_after - now),
      .serial = pki::SerialNumber::draw(random),
      .permitted_dns = constraints ? constraints->permitted.dns : std::vector<std::string>{},
      .ocsp_urls = {},
      .crl_urls = {},
      .ca_issuer_urls = {},
      .next_root_key = std::nullopt};
  TRY(auto linted, pki::prepare_self_signed(profile, fields, now));
  TRY(auto twin, pki::issue(std::move(linted), key));
  if (twin.subject() == ca.subject()) return twin;
  return fail(Errc::internal, "twin: found another subject than the CA's");
}

}  // namespace

Result<void> settle_twins(const InstallationPaths& paths, const Clock& clock, Random& random) {
  TRY(const auto secret, keystore::MachineSecret::open(paths.secret()));
  for (const Twin& twin : kTwins) {
    const auto file = paths.twin(twin.ca);
    TRY(const auto ca, read_certificate(paths.trust() / fmt::format("{}.pem", twin.ca)));
    const auto present = read_certificate(file);
    if (!present && present.error().code != Errc::not_found) return std::unexpected(present.error());
    if (present && present->public_key() == ca.public_key()) continue;
    TRY(auto key, secret.read_key(paths.signer_keys() / fmt::format("{}.key", twin.ca)));
    TRY(const auto made, make_twin(ca, key, pki::profile(twin.profile), clock.now(), random));
    TRY_VOID(write_certificate(file, made));
  }
  return {};
}

}  // namespace sallyport::cli
