#include "factory/detail/commissioning.h"

#include <array>
#include <string>
#include <vector>

#include "pki/issue.h"
#include "pki/signed_object.h"

namespace sallyport::factory {

Result<pki::Certificate> parse_one_certificate(std::string_view pem, std::string_view what) {
  auto certificates = pki::parse_certificates_pem(pem, 2);
  if (!certificates) return std::unexpected(std::move(certificates).error().at(what));
  if (certificates->size() != 1) {
    return failf(Errc::malformed, "{}: found {} certificates, want one", what, certificates->size());
  }
  return certificates->front();
}

Result<void> check_site_ca(const pki::Certificate& ca, const pki::Certificate& root, const DnsName& name_space) {
  auto signed_by_root = root.public_key().verify(ca.signature_scheme(), ca.tbs(), ca.signature());
  if (!signed_by_root) return fail(Errc::unauthorized, "site CA certificate: found a signature that is not the root's");
  auto linted = pki::lint(pki::profile(pki::ProfileId::local_ca), ca, &root);
  if (!linted) return std::unexpected(std::move(linted).error().at("site CA certificate"));
  const auto& constraints = ca.extensions().name_constraints;
  if (!constraints || constraints->permitted.dns != std::vector<std::string>{name_space.get()}) {
    return failf(Errc::unauthorized, "site CA certificate: found another namespace, want '{}'", name_space.get());
  }
  return {};
}

Result<pki::SitePermit> open_permit(ByteView sealed, const pki::Certificate& root, const pki::TimeRule& time) {
  const std::array anchors{root};
  auto opened = pki::open_object(pki::ControlKind::permit, sealed, anchors, time);
  if (!opened) return std::unexpected(Error(std::move(opened).error()).at("permit"));
  return pki::parse_permit(opened->payload());
}

Result<void> check_in_force(const pki::SitePermit& permit, UnixTime now) {
  if (now >= permit.not_before && now <= permit.not_after) return {};
  return failf(Errc::expired, "permit: found the time {}, want between {} and {}", to_iso8601(now),
               to_iso8601(permit.not_before), to_iso8601(permit.not_after));
}

}  // namespace sallyport::factory
