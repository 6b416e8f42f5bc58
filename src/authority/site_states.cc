#include "authority/site_states.h"

#include "authority/audit.h"
#include "pki/certificate.h"
#include "records/installation_values.h"

namespace sallyport::authority {
namespace {

using records::CertificateKind;
using records::CertificateRecord;
using records::CertificateState;
using records::DeviceRecord;
using records::DeviceState;
using records::Records;
using records::RevocationReason;
using records::SiteRecord;
using records::SiteState;

bool is_revoked(SiteState state) {
  return state == SiteState::revoked || state == SiteState::revoked_except;
}

Result<void> check_transition(const SiteRecord& site, const SiteChange& change) {
  const std::string& name = site.name.get();
  if (is_revoked(site.state) && !is_revoked(change.to)) {
    return failf(Errc::conflict, "state-conflict: site {} is {}, which is final", name, records::to_string(site.state));
  }
  if (change.to != SiteState::revoked_except) return {};
  if (site.state == SiteState::revoked) {
    return failf(Errc::conflict, "state-conflict: site {} is revoked with all its devices, which is final", name);
  }
  if (change.kept_until == 0 || change.kept_until > site.ledger_sequence) {
    return failf(Errc::malformed, "site {}: found entry {}, want one from 1 to {}, the last that was accepted", name,
                 change.kept_until, site.ledger_sequence);
  }
  if (site.state == SiteState::revoked_except && change.kept_until > site.kept_until) {
    return failf(Errc::conflict, "state-conflict: site {} is revoked from entry {} on, which is final", name,
                 site.kept_until + 1);
  }
  return {};
}

Result<bool> is_on_root_crl(Records& records, const SiteRecord& site) {
  if (site.ca_certificate.empty()) return false;
  TRY(const auto ca, pki::parse_certificate(site.ca_certificate));
  TRY(const auto ders, records::list_root_crls(records));
  for (const Bytes& der : ders) {
    TRY(const auto crl, pki::parse_crl(der));
    if (crl.find(ca.serial()) != nullptr) return true;
  }
  return false;
}

// The site's factory certificates in the order of its ledger.
Result<std::vector<CertificateRecord>> list_ledger(Records& records, const SiteName& site) {
  std::vector<CertificateRecord> out;
  TRY_VOID(records.certificates().visit_of_ca(records::local_ca_name(site.get()),
                                              [&out](const CertificateRecord& record) -> Result<void> {
                                                out.push_back(record);
                                                return {};
                                              }));
  return out;
}

// "<serial id>.<site>", as recorded.
SerialId serial_id_of(const CertificateRecord& factory, const SiteName& site) {
  return SerialId(factory.subject.substr(0, factory.subject.size() - site.get().size() - 1));
}

// Intents too: what is being signed can then no more be recorded, and is never handed out.
Result<void> end_device(Records& records, const DeviceRecord& device, SitePlan& plan) {
  plan.ended.push_back({device.serial_id, device.name});
  if (!device.name) return {};
  for (const auto kind : {CertificateKind::operational, CertificateKind::web}) {
    TRY(const auto some, records.certificates().list_by_subject(kind, device.name->get()));
    for (const auto& one : some) {
      if (one.state != CertificateState::revoked) plan.certificates.emplace_back(one.ca, one.serial);
    }
  }
  return {};
}

void count_staying(const DeviceRecord& device, SitePlan& plan) {
  if (device.connected_at) {
    ++plan.kept;
  } else if (plan.site.state == SiteState::disabled) {
    ++plan.barred;
  } else {
    ++plan.may_enrol;
  }
}

Result<void> plan_entry(Records& records, const CertificateRecord& factory, bool stays, SitePlan& plan) {
  if (!stays && factory.state != CertificateState::revoked) {
    plan.certificates.emplace_back(factory.ca, factory.serial);
    ++plan.factory_certificates;
  }
  TRY(const auto device, records.devices().find(plan.site.name, serial_id_of(factory, plan.site.name)));
  if (!device || device->state == DeviceState::revoked || device->state == DeviceState::retired) return {};
  if (stays) {
    count_staying(*device, plan);
    return {};
  }
  if (!device->connected_at) ++plan.barred;
  return end_device(records, *device, plan);
}

}  // namespace

Result<SitePlan> plan_site_change(Records& records, const SiteChange& change) {
  TRY(auto site, records.sites().find(change.site));
  if (!site) return failf(Errc::not_found, "not-found: no site {}", change.site.get());
  TRY_VOID(check_transition(*site, change));
  SitePlan plan{.site = *site, .from = site->state, .kept_until_before = site->kept_until};
  TRY(plan.is_ca_on_root_crl, is_on_root_crl(records, *site));
  if (change.to == SiteState::active && plan.is_ca_on_root_crl) {
    return failf(Errc::conflict, "state-conflict: the root CRL lists the CA of site {}", change.site.get());
  }
  plan.site.state = change.to;
  plan.site.kept_until = change.to == SiteState::revoked_except ? change.kept_until : 0;
  TRY(const auto ledger, list_ledger(records, change.site));
  for (std::size_t i = 0; i < ledger.size(); ++i) {
    const bool stays = change.to == SiteState::revoked_except ? i < change.kept_until : change.to != SiteState::revoked;
    TRY_VOID(plan_entry(records, ledger[i], stays, plan));
  }
  return plan;
}

Result<void> carry_out(Records& records, const SitePlan& plan, UnixTime now) {
  const records::CaName local_ca = records::local_ca_name(plan.site.name.get());
  for (const auto& [ca, serial] : plan.certificates) {
    const bool of_site = ca == local_ca;
    TRY_VOID(records.certificates().revoke(
        ca, serial, now, of_site ? RevocationReason::ca_compromise : RevocationReason::cessation_of_operation));
  }
  for (const SitePlan::Ended& ended : plan.ended) {
    TRY(auto device, records.devices().find(plan.site.name, ended.serial_id));
    if (!device) return fail(Errc::internal, "site: a device of the plan is gone");
    device->state = DeviceState::revoked;
    device->remote_access = false;
    TRY_VOID(records.devices().update(*device));
  }
  TRY_VOID(records.sites().update(plan.site));
  return records.raise_change_number();
}

Result<void> check_site_admits(const SiteName& name, const std::optional<SiteRecord>& site,
                               const std::optional<DeviceRecord>& device) {
  if (!site || site->state == SiteState::revoked) {
    return failf(Errc::unauthorized, "enrolment: site {} is not active", name.get());
  }
  if (site->state == SiteState::disabled && (!device || !device->connected_at)) {
    return failf(Errc::unauthorized, "enrolment: site {} is disabled, want a device that has connected before",
                 name.get());
  }
  if (site->state == SiteState::revoked_except && !device) {
    return failf(Errc::unauthorized, "enrolment: site {} is revoked except ledgered until entry {}, want one of those",
                 name.get(), site->kept_until);
  }
  return {};
}

Result<void> check_site_keeps(Records& records, const DeviceRecord& device) {
  TRY(const auto site, records.sites().find(device.site));
  if (site && !is_revoked(site->state)) return {};
  if (site && site->state == SiteState::revoked_except) {
    TRY(const auto ledger, list_ledger(records, device.site));
    const auto kept = std::span(ledger).first(std::min<std::size_t>(ledger.size(), site->kept_until));
    if (std::ranges::find(kept, device.factory_serial, &CertificateRecord::serial) != kept.end()) return {};
  }
  return failf(Errc::conflict, "state-conflict: the revocation of site {} ended this device", device.site.get());
}

Result<void> check_site_has_a_future(const SiteRecord& site) {
  if (!is_revoked(site.state)) return {};
  return failf(Errc::conflict, "state-conflict: site {} is {}, want one that is not revoked", site.name.get(),
               records::to_string(site.state));
}

Result<void> disable_sites_of_crl(Records& records, const pki::Crl& crl, UnixTime now, std::string_view actor) {
  TRY(auto sites, records.sites().list());
  for (SiteRecord& site : sites) {
    if (site.state != SiteState::active || site.ca_certificate.empty()) continue;
    TRY(const auto ca, pki::parse_certificate(site.ca_certificate));
    if (crl.find(ca.serial()) == nullptr) continue;
    site.state = SiteState::disabled;
    TRY_VOID(records.sites().update(site));
    TRY_VOID(append_audit(records, now, actor, "site.disabled", site.name.get(),
                          {{"reason", "the root CRL lists its CA"}, {"crl_number", crl.number()}}));
  }
  return {};
}

}  // namespace sallyport::authority
