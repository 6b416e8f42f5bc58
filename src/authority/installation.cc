#include "authority/installation.h"

#include <algorithm>

#include "codec/text.h"
#include "pki/root_chain.h"

namespace sallyport::authority {

Result<Installation> Installation::load(records::Records& records) {
  Installation out;
  TRY(out.facts_, records::load_installation_facts(records));
  TRY(auto root_der, records::find_ca_certificate(records, records::CaName("root")));
  if (!root_der) return fail(Errc::not_found, "installation: no root certificate in the database, want one from init");
  TRY(auto root, pki::parse_certificate(*root_der));
  out.roots_.push_back(std::move(root));
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
  TRY_VOID(out.load_older(records));
  TRY(out.root_crl_ders_, records::list_root_crls(records));
  return out;
}

Result<void> Installation::load_older(records::Records& records) {
  TRY(const auto older, records::list_older_cas(records));
  for (const records::OlderCa& ca : older) {
    TRY(auto certificate, pki::parse_certificate(ca.certificate));
    const std::string base = records::base_name(ca.name).get();
    if (base == "root") {
      roots_.push_back(std::move(certificate));
    } else if (base == records::kRootLink) {
      links_.push_back(std::move(certificate));
    } else if (base == records::kRetiredRoot) {
      retired_roots_.push_back(std::move(certificate));
    } else {
      older_cas_.emplace(ca.name, std::move(certificate));
    }
  }
  return {};
}

Result<pki::Certificate> Installation::ca(const records::CaName& name) const {
  if (name.get() == "root") return root();
  const auto& of = records::is_older(name) ? older_cas_ : cas_;
  const auto found = of.find(name);
  if (found == of.end()) return failf(Errc::not_found, "CA {}: not one that is in use", name.get());
  return found->second;
}

Result<pki::Certificate> Installation::issuer_of(const pki::Certificate& leaf) const {
  for (const auto* of : {&cas_, &older_cas_}) {
    for (const auto& [name, ca] : *of) {
      const bool is_it = ca.subject() == leaf.issuer() && ca.extensions().subject_key_id &&
                         ca.extensions().subject_key_id == leaf.extensions().authority_key_id;
      if (is_it) return ca;
    }
  }
  return fail(Errc::not_found, "certificate: issued by no CA that is in use");
}

Result<records::CaName> Installation::name_of(const pki::Certificate& wanted) const {
  for (const auto* of : {&cas_, &older_cas_}) {
    for (const auto& [name, ca] : *of) {
      if (ca == wanted) return name;
    }
  }
  return fail(Errc::not_found, "CA: not one that is in use");
}

std::span<const pki::Certificate> Installation::newest_links() const {
  return std::span(links_).last(std::min(links_.size(), pki::kMaxRootLinks));
}

std::vector<pki::Certificate> Installation::trust_path() const {
  const auto links = newest_links();
  std::vector<pki::Certificate> out(links.begin(), links.end());
  if (out.empty()) return out;
  std::vector<pki::Certificate> cas;
  for (const auto& [name, ca] : cas_) {
    if (!records::site_of(name)) cas.push_back(ca);
  }
  for (const auto& [name, ca] : older_cas_) cas.push_back(ca);
  const auto roots = pki::select_shown_roots(roots_, cas);
  out.insert(out.end(), roots.begin(), roots.end());
  return out;
}

Result<std::vector<pki::Crl>> Installation::read_root_crls() const {
  std::vector<pki::Crl> crls;
  for (const Bytes& der : root_crl_ders_) {
    TRY(auto crl, pki::parse_crl(der));
    crls.push_back(std::move(crl));
  }
  return crls;
}

pki::Verdict<std::vector<pki::VerifiedCrl>> Installation::root_crls(UnixTime now) const {
  const auto crls = read_root_crls();
  if (!crls) return pki::refuse(pki::Reason::crl_unusable, crls.error().detail);
  const auto rule = pki::TimeRule::clock(now);
  auto verified = pki::verify_root_crls(*crls, roots_, rule);
  if (!verified.empty()) return verified;
  auto why = pki::verify_crl(crls->front(), root(), rule);
  return std::unexpected(std::move(why).error());
}

std::string Installation::ocsp_url() const {
  return "http://status." + facts_.zone.get() + "/ocsp";
}

std::string Installation::crl_url(const records::CaName& ca) const {
  const records::CaName base = records::base_name(ca);
  const bool has_replaced =
      std::ranges::any_of(older_cas_, [&](const auto& older) { return records::base_name(older.first) == base; });
  std::string list = file_name(base);
  if (const auto known = this->ca(ca); has_replaced && known)
    list += "-" + codec::encode_hex(known->extensions().subject_key_id.value_or(Bytes()));
  return "http://status." + facts_.zone.get() + "/crl/" + list + ".crl";
}

Result<void> keep_root_crls(records::Records& records, std::span<const std::optional<pki::Crl>> crls) {
  SALLYPORT_CHECK(!crls.empty());
  if (crls.front()) TRY_VOID(records::put_root_crl(records, crls.front()->der()));
  std::vector<Bytes> older;
  for (const auto& crl : crls.subspan(1)) {
    if (crl) older.push_back(to_bytes(crl->der()));
  }
  return records::put_older_root_crls(records, older);
}

std::string file_name(const records::CaName& ca) {
  std::string out = ca.get();
  std::ranges::replace(out, '/', '-');
  return out;
}

}  // namespace sallyport::authority
