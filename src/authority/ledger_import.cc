#include "authority/ledger_import.h"

#include "authority/audit.h"
#include "authority/issuance.h"
#include "authority/log_entries.h"
#include "authority/site_states.h"
#include "codec/text.h"
#include "pki/signed_object.h"

namespace sallyport::authority {
namespace {

Result<pki::SitePermit> open_permit(const records::SiteRecord& site, std::span<const pki::Certificate> anchors,
                                    UnixTime now) {
  TRY(auto opened, pki::open_object(pki::ControlKind::permit, site.permit, anchors, pki::TimeRule::clock(now)));
  return pki::parse_permit(opened.payload());
}

SiteAlarm alarm_of(const SiteName& site, const pki::LedgerRefusal& refusal) {
  SiteAlarm alarm{.site = site,
                  .kind = fmt::format("{}ledger.{}", kSiteAlarmPrefix, pki::to_string(refusal.fault)),
                  .detail = refusal.error.detail};
  if (refusal.sequence != 0) alarm.facts["sequence"] = refusal.sequence;
  if (!refusal.serial_id.empty()) alarm.facts["serial_id"] = refusal.serial_id;
  return alarm;
}

std::string last_time_name(const SiteName& site) {
  return "ledger-time/" + site.get();
}

// When the last accepted entry of the site was issued; absent before the first.
Result<std::optional<UnixTime>> find_last_time(records::Records& records, const SiteName& site) {
  TRY(const auto value, records.find_value(last_time_name(site)));
  if (!value) return std::nullopt;
  TRY(const auto seconds_since_epoch, Reader(*value).u64());
  return UnixTime(static_cast<std::int64_t>(seconds_since_epoch));
}

Result<void> put_last_time(records::Records& records, const SiteName& site, UnixTime time) {
  Writer value;
  value.u64(static_cast<std::uint64_t>(time.since_epoch()));
  return records.put_value(last_time_name(site), value.view());
}

Result<void> record_device(records::Records& records, const SiteName& site, const pki::LedgerEntry& entry,
                           const pki::Certificate& certificate, UnixTime now) {
  records::CertificateRecord record;
  record.ca = records::local_ca_name(site.get());
  record.serial = to_record_serial(entry.certificate_serial);
  record.kind = records::CertificateKind::factory;
  record.subject = entry.serial_id.get() + "." + site.get();
  record.spki_sha256 = entry.spki;
  record.not_before = certificate.validity().not_before;
  record.not_after = certificate.validity().not_after;
  record.recorded_at = now;
  TRY_VOID(records.certificates().record_intent(record));
  TRY_VOID(record_issued(records, record.ca, record.serial, certificate.der(), now));
  records::DeviceRecord device;
  device.serial_id = entry.serial_id;
  device.site = site;
  device.factory_spki_sha256 = entry.spki;
  device.factory_serial = record.serial;
  device.created = now;
  return records.devices().add(device);
}

}  // namespace

Result<ImportedLedger> import_ledger(records::Records& records, const SiteName& site_name, ByteView exported,
                                     std::span<const pki::Certificate> anchors, UnixTime now, std::string_view actor,
                                     std::optional<SiteAlarm>& alarm) {
  TRY(auto site, records.sites().find(site_name));
  if (!site || site->ca_certificate.empty() || site->permit.empty()) {
    return failf(Errc::not_found, "site {}: no such site with a CA and a permit", site_name.get());
  }
  TRY_VOID(check_site_has_a_future(*site));
  TRY(auto site_ca, pki::parse_certificate(site->ca_certificate));
  TRY(auto permit, open_permit(*site, anchors, now));
  TRY(auto ledger, pki::parse_ledger_export(exported));
  const records::CaName ca = records::local_ca_name(site_name.get());
  TRY(const auto accepted_at, find_last_time(records, site_name));
  const pki::LedgerContext context{
      .site_ca = site_ca,
      .permit = permit,
      .accepted = {site->ledger_sequence, site->ledger_head},
      .accepted_at = accepted_at,
      .is_known = [&](const SerialId& serial_id) -> Result<bool> {
        TRY(const auto known, records.devices().find(site_name, serial_id));
        return known.has_value();
      },
      .is_known_serial = [&](const pki::SerialNumber& serial) -> Result<bool> {
        TRY(const auto known, records.certificates().find(ca, to_record_serial(serial)));
        return known.has_value();
      },
      .is_known_key = [&](const crypto::Sha256Digest& key) -> Result<bool> {
        TRY(const auto known, records.certificates().list_by_spki(records::CertificateKind::factory, key));
        return !known.empty();
      },
  };
  auto accepted = pki::verify_ledger(ledger, context);
  if (!accepted && accepted.error().fault == pki::LedgerFault::unread) {
    return std::unexpected(std::move(accepted.error().error).at(fmt::format("ledger of {}", site_name.get())));
  }
  if (!accepted) {
    alarm = alarm_of(site_name, accepted.error());
    alarm->facts["export_sha256"] = codec::encode_hex(crypto::sha256(exported));
    return std::unexpected(std::move(accepted.error().error).at(fmt::format("ledger of {}", site_name.get())));
  }
  for (std::size_t i = 0; i < accepted->entries.size(); ++i) {
    TRY_VOID(record_device(records, site_name, accepted->entries[i], accepted->certificates[i], now));
  }
  site->ledger_sequence = accepted->head.sequence;
  site->ledger_head = accepted->head.hash;
  TRY_VOID(records.sites().update(*site));
  if (!accepted->entries.empty()) {
    TRY_VOID(put_last_time(records, site_name, accepted->entries.back().issued_at));
  }
  if (!accepted->entries.empty()) TRY_VOID(log_ledger_head(records, *site, now));
  TRY_VOID(append_audit(records, now, actor, "site.ledger-imported", site_name.get(),
                        {{"entries", std::uint64_t{accepted->entries.size()}},
                         {"sequence", accepted->head.sequence},
                         {"head", codec::encode_hex(accepted->head.hash)}}));
  return ImportedLedger{accepted->entries.size(), accepted->head.sequence};
}

}  // namespace sallyport::authority
