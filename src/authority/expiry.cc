#include "authority/expiry.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "pki/permit.h"
#include "pki/profile.h"
#include "pki/signed_object.h"

namespace sallyport::authority {
namespace {

using records::CaName;
using records::CertificateKind;
using records::CertificateState;
using records::Records;

constexpr std::array<std::string_view, 9> kKinds = {"root",   "ca",   "root-crl", "ocsp-signer", "control",
                                                    "server", "role", "site-ca",  "permit"};
constexpr std::array<std::string_view, 3> kStages = {"in-time", "due", "ended"};
constexpr seconds kLeastCaNotice = 60 * kDay;
constexpr seconds kMostCaNotice = 365 * kDay;
constexpr seconds kMostRootNotice = 730 * kDay;
constexpr seconds kPermitNotice = 60 * kDay;
constexpr std::array<std::string_view, 4> kRoles = {"relay", "gateway", "status", "console"};
constexpr std::array kControlKinds = {pki::ControlKind::grant, pki::ControlKind::snapshot, pki::ControlKind::permit,
                                      pki::ControlKind::licence};

Link link_of(LinkKind kind, std::string name, const pki::Validity& validity) {
  return {kind, std::move(name), validity.not_before, validity.not_after};
}

// Roles are called by a word, other servers by their DNS name: those a person renews.
bool is_foreign(const Link& link) {
  return link.kind == LinkKind::server && link.name.contains('.');
}

UnixTime renewal_is_late(UnixTime from, UnixTime until) {
  return until - (until - from) / 6;
}

// The newest that is good, of what was issued to `subject`.
Result<void> add_newest(Records& records, CertificateKind of, std::string_view subject, LinkKind kind,
                        std::vector<Link>& out) {
  TRY(const auto all, records.certificates().list_by_subject(of, subject));
  for (const records::CertificateRecord& record : all) {
    if (record.state != CertificateState::issued) continue;
    out.push_back({kind, std::string(subject), record.not_before, record.not_after});
    break;
  }
  return {};
}

// "root", or "root@<serial>" of one that a younger one has replaced.
std::string name_of_root(const Installation& installation, const pki::Crl& crl) {
  for (const pki::Certificate& root : installation.anchors().subspan(1)) {
    if (pki::verify_crl(crl, root, pki::TimeRule::floor(UnixTime(0))))
      return records::older_ca_name("root", root.serial().hex()).get();
  }
  return "root";
}

Result<void> add_tree(const Installation& installation, std::vector<Link>& out) {
  out.push_back(link_of(LinkKind::root, "root", installation.root().validity()));
  TRY(const auto crls, list_root_crl_links(installation));
  for (const RootCrlLink& each : crls) out.push_back(each.link);
  for (const auto& [name, certificate] : installation.cas()) {
    const auto lists_it = [&](const RootCrlLink& each) { return each.crl.find(certificate.serial()) != nullptr; };
    if (records::site_of(name) || std::ranges::any_of(crls, lists_it)) continue;
    out.push_back(link_of(LinkKind::ca, name.get(), certificate.validity()));
  }
  return {};
}

// Of each the certificate that lasts longest, unless it is revoked.
Result<void> add_foreign_servers(Records& records, std::vector<Link>& out) {
  std::map<std::string, Link> lasting;
  const auto keep = [&](const records::CertificateRecord& record) -> Result<void> {
    Link link{LinkKind::server, record.subject, record.not_before, record.not_after};
    const bool counts = record.kind == CertificateKind::server && record.state == CertificateState::issued;
    if (!counts || !is_foreign(link)) return {};
    const auto [known, is_first] = lasting.try_emplace(record.subject, link);
    if (!is_first && known->second.until < link.until) known->second = std::move(link);
    return {};
  };
  TRY_VOID(records.certificates().visit_of_ca(CaName("server-ca"), keep));
  for (auto& [name, link] : lasting) out.push_back(std::move(link));
  return {};
}

Result<void> add_renewed(Records& records, const Installation& installation, std::vector<Link>& out) {
  for (const CaName& ca : records::online_ca_names()) {
    TRY_VOID(add_newest(records, CertificateKind::ocsp_signer, ca.get(), LinkKind::ocsp_signer, out));
  }
  for (const auto& [ca, certificate] : installation.older_cas()) {
    TRY_VOID(add_newest(records, CertificateKind::ocsp_signer, ca.get(), LinkKind::ocsp_signer, out));
  }
  for (const pki::ControlKind kind : kControlKinds) {
    TRY_VOID(add_newest(records, CertificateKind::control, pki::to_string(kind), LinkKind::control, out));
  }
  for (const std::string_view role : kRoles) {
    TRY_VOID(add_newest(records, CertificateKind::server, role, LinkKind::server, out));
    TRY_VOID(add_newest(records, CertificateKind::role, role, LinkKind::role, out));
  }
  return add_foreign_servers(records, out);
}

Result<void> add_sites(Records& records, const Installation& installation, std::vector<Link>& out) {
  TRY(const auto sites, records.sites().list());
  for (const records::SiteRecord& site : sites) {
    if (site.state == records::SiteState::revoked || site.state == records::SiteState::revoked_except) continue;
    if (const auto ca = pki::parse_certificate(site.ca_certificate); ca) {
      out.push_back(link_of(LinkKind::site_ca, site.name.get(), ca->validity()));
    }
    const auto opened = pki::open_object(pki::ControlKind::permit, site.permit, installation.anchors(),
                                         pki::TimeRule::floor(UnixTime(0)));
    if (!opened) continue;
    TRY(const auto permit, pki::parse_permit(opened->payload()));
    out.push_back({LinkKind::permit, site.name.get(), permit.not_before, permit.not_after});
  }
  return {};
}

}  // namespace

std::string_view to_string(LinkKind kind) {
  return kKinds.at(static_cast<std::size_t>(kind));
}

std::string_view to_string(Stage stage) {
  return kStages.at(static_cast<std::size_t>(stage));
}

UnixTime Link::due_at() const {
  const seconds life = until - from;
  switch (kind) {
    case LinkKind::root:
      return until - std::clamp(life / 5, kLeastCaNotice, kMostRootNotice);
    case LinkKind::ca:
    case LinkKind::site_ca:
      return until - std::clamp(life / 5, kLeastCaNotice, kMostCaNotice);
    case LinkKind::root_crl:
      return from + life * 2 / 3;
    case LinkKind::permit:
      return until - std::min(life / 3, kPermitNotice);
    case LinkKind::server:
      return is_foreign(*this) ? from + life * 2 / 3 : renewal_is_late(from, until);
    case LinkKind::ocsp_signer:
    case LinkKind::control:
    case LinkKind::role:
      return renewal_is_late(from, until);
  }
  return until;
}

Stage Link::stage(UnixTime now) const {
  if (now >= until) return Stage::ended;
  return now >= due_at() ? Stage::due : Stage::in_time;
}

std::string Link::remedy() const {
  switch (kind) {
    case LinkKind::root:
      return "while devices still trust this one: sallyport root rollover (docs/operate/rollover.md)";
    case LinkKind::ca:
      return fmt::format("sallyport ca rollover --ca {}", name);
    case LinkKind::root_crl:
      return "on the root's machine: sallyport root crl; here: sallyport root install-crl";
    case LinkKind::ocsp_signer:
      return "the status role renews it; see why it does not";
    case LinkKind::control:
      return "the authority renews it; see why it does not";
    case LinkKind::server:
      if (is_foreign(*this))
        return fmt::format("sallyport export openvpn-server --name {}; or, if it is gone, revoke its certificate",
                           name);
      [[fallthrough]];
    case LinkKind::role:
      return fmt::format("the role {} renews it; see why it does not", name);
    case LinkKind::site_ca:
      return fmt::format("have the root sign the next CA of site {}", name);
    case LinkKind::permit:
      return fmt::format("sallyport site permit {}", name);
  }
  return {};
}

bool Link::stops_the_service() const {
  return kind != LinkKind::permit && kind != LinkKind::site_ca && !is_foreign(*this);
}

Result<std::vector<RootCrlLink>> list_root_crl_links(const Installation& installation) {
  std::vector<RootCrlLink> out;
  for (const Bytes& der : installation.root_crl_ders()) {
    TRY(auto crl, pki::parse_crl(der));
    Link link{LinkKind::root_crl, name_of_root(installation, crl), crl.this_update(), crl.next_update()};
    out.push_back({std::move(link), std::move(crl)});
  }
  return out;
}

Result<std::vector<Link>> list_links(Records& records, const Installation& installation) {
  std::vector<Link> out;
  TRY_VOID(add_tree(installation, out));
  TRY_VOID(add_renewed(records, installation, out));
  TRY_VOID(add_sites(records, installation, out));
  std::ranges::sort(out, {}, [](const Link& link) { return std::tuple(link.until, link.kind, link.name); });
  return out;
}

Result<DeviceCertificates> count_device_certificates(Records& records, CertificateKind kind, UnixTime now,
                                                     UnixTime ending_before) {
  DeviceCertificates out;
  TRY_VOID(records.certificates().visit_lasting(kind, [&](const records::CertificateRecord& record) -> Result<void> {
    const bool is_late = now >= renewal_is_late(record.not_before, record.not_after);
    const Stage stage = now >= record.not_after ? Stage::ended : (is_late ? Stage::due : Stage::in_time);
    ++(stage == Stage::ended ? out.ended : (stage == Stage::due ? out.due : out.in_time));
    if (record.not_after < ending_before) out.ending.push_back({record.subject, record.not_after, stage});
    return {};
  }));
  const auto shown = std::min(out.ending.size(), kMaxShownDevices);
  std::ranges::partial_sort(out.ending, out.ending.begin() + static_cast<std::ptrdiff_t>(shown), {},
                            &DeviceCertificates::One::until);
  out.ending.resize(shown);
  return out;
}

std::vector<Link> ExpiryWatch::to_say(std::span<const Link> links, UnixTime now) {
  std::map<std::pair<LinkKind, std::string>, Said> said;
  std::vector<Link> out;
  for (const Link& link : links) {
    const Stage stage = link.stage(now);
    if (stage == Stage::in_time) continue;
    const auto key = std::pair(link.kind, link.name);
    const auto before = said_.find(key);
    const bool is_known = before != said_.end() && before->second.stage == stage && now - before->second.at < kSayAgain;
    said.emplace(key, is_known ? before->second : Said{stage, now});
    if (!is_known) out.push_back(link);
  }
  said_ = std::move(said);
  return out;
}

bool ExpiryWatch::is_devices_turn(const DeviceCertificates& devices, UnixTime now) {
  if (devices.due + devices.ended == 0) {
    devices_said_.reset();
    return false;
  }
  if (devices_said_ && now - *devices_said_ < kSayAgain) return false;
  devices_said_ = now;
  return true;
}

}  // namespace sallyport::authority
