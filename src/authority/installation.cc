#include "authority/installation.h"

#include <algorithm>

namespace sallyport::authority {

Result<Installation> Installation::load(records::Records& records) {
  Installation out;
  TRY(out.facts_, records::load_installation_facts(records));
  TRY(auto root_der, records::find_ca_certificate(records, records::CaName("root")));
  if (!root_der) return fail(Errc::not_found, "installation: no root certificate in the database, want one from init");
  TRY(auto root, pki::parse_certificate(*root_der));
  out.root_.push_back(std::move(root));
  for (const records::CaName& name : records::online_ca_names()) {
    TRY(auto der, records::find_ca_certificate(records, name));
    if (!der)
      return failf(Errc::not_found, "installation: no certificate of {} in the database, want one from init",
                   name.get());
    TRY(auto certificate, pki::parse_certificate(*der));
    out.cas_.emplace(name, std::move(certificate));
  }
  TRY(auto sites, records.sites().list());
  for (const records::SiteRecord& site : sites) {
    if (site.state == records::SiteState::revoked || site.ca_certificate.empty()) continue;
    TRY(auto certificate, pki::parse_certificate(site.ca_certificate));
    out.cas_.emplace(records::local_ca_name(site.name.get()), std::move(certificate));
  }
  TRY(auto crl, records::find_root_crl(records));
  if (!crl)
    return fail(Errc::not_found, "installation: no root CRL in the database, want one from `sallyport root crl`");
  out.root_crl_der_ = *std::move(crl);
  return out;
}

Result<pki::Certificate> Installation::ca(const records::CaName& name) const {
  if (name.get() == "root") return root();
  const auto found = cas_.find(name);
  if (found == cas_.end()) return failf(Errc::not_found, "CA {}: not one that is in use", name.get());
  return found->second;
}

pki::Verdict<pki::VerifiedCrl> Installation::root_crl(UnixTime now) const {
  auto crl = pki::parse_crl(root_crl_der_);
  if (!crl) return pki::refuse(pki::Reason::crl_unusable, crl.error().detail);
  return pki::verify_crl(*crl, root(), pki::TimeRule::clock(now));
}

std::string Installation::ocsp_url() const {
  return "http://status." + facts_.zone.get() + "/ocsp";
}

std::string Installation::crl_url(const records::CaName& ca) const {
  return "http://status." + facts_.zone.get() + "/crl/" + file_name(ca) + ".crl";
}

std::string file_name(const records::CaName& ca) {
  std::string out = ca.get();
  std::ranges::replace(out, '/', '-');
  return out;
}

}  // namespace sallyport::authority
