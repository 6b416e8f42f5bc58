#include "authority/factory_reuse.h"

#include "authority/issuance.h"
#include "codec/text.h"

namespace sallyport::authority {
namespace {

SiteAlarm reuse(const pki::FactoryIdentity& identity, const pki::Certificate& shown, std::string_view what,
                std::string_view detail) {
  return {.site = identity.site,
          .kind = fmt::format("{}reuse.{}", kSiteAlarmPrefix, what),
          .detail = fmt::format("{} (certificate with SHA-256 {})", detail, codec::encode_hex(shown.fingerprint())),
          .facts = {{"serial_id", identity.serial_id.get()}, {"serial", shown.serial().hex()}}};
}

}  // namespace

Result<std::optional<SiteAlarm>> find_factory_reuse(records::Records& records, const pki::FactoryIdentity& identity,
                                                    const pki::Certificate& shown) {
  const auto serial = to_record_serial(shown.serial());
  TRY(const auto same_serial, records.certificates().find(records::local_ca_name(identity.site.get()), serial));
  if (same_serial && !same_serial->der.empty() && !equal(same_serial->der, shown.der())) {
    return reuse(identity, shown, "certificate_serial", "a certificate serial that another listed certificate has");
  }
  TRY(const auto device, records.devices().find(identity.site, identity.serial_id));
  if (device && device->factory_serial != serial) {
    return reuse(identity, shown, "serial_id", "a serial id that is listed with another certificate");
  }
  TRY(const auto same_key, records.certificates().list_by_spki(records::CertificateKind::factory, shown.spki_sha256()));
  for (const records::CertificateRecord& record : same_key) {
    if (equal(record.der, shown.der())) continue;
    return reuse(identity, shown, "key", fmt::format("a key that the listed device {} has", record.subject));
  }
  return std::nullopt;
}

}  // namespace sallyport::authority
