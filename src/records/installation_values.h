// The named values of an installation (Records::find_value): what `sallyport init` writes and the authority reads.
#pragma once

#include <string>
#include <vector>

#include "base/names.h"
#include "records/database.h"

namespace sallyport::records {

// What the installation is. Written once, by init.
struct InstallationFacts {
  std::string name;  // of the installation, as in the subjects of its CAs
  DnsName zone;      // of the devices
  DnsName console_name;
  std::uint16_t public_port = 443;  // under which people and devices reach the relay
};
Result<void> put_installation_facts(Records& records, const InstallationFacts& facts);
// Errc::not_found before init.
Result<InstallationFacts> load_installation_facts(Records& records);

// CA certificates, DER, by CA name; the root's under "root". A local CA's is in its SiteRecord.
Result<void> put_ca_certificate(Records& records, const CaName& ca, ByteView der);
Result<std::optional<Bytes>> find_ca_certificate(Records& records, const CaName& ca);

// CAs, roots and links beside those (certificate_record.h: older_ca_name), newest first.
struct OlderCa {
  CaName name;
  Bytes certificate;  // DER
  friend bool operator==(const OlderCa&, const OlderCa&) = default;
};
inline constexpr std::size_t kMaxOlderCas = 64;
Result<std::vector<OlderCa>> list_older_cas(Records& records);
// Replaces the whole list. Errc::overloaded over kMaxOlderCas.
Result<void> put_older_cas(Records& records, const std::vector<OlderCa>& cas);

// The newest root's CRL, DER.
Result<void> put_root_crl(Records& records, ByteView der);
Result<std::optional<Bytes>> find_root_crl(Records& records);
// The CRLs of the roots before it, newest root first.
Result<void> put_older_root_crls(Records& records, const std::vector<Bytes>& ders);
Result<std::vector<Bytes>> list_older_root_crls(Records& records);
// All of them, the newest root's first. Errc::not_found before init.
Result<std::vector<Bytes>> list_root_crls(Records& records);

// The CAs whose keys the signer holds.
const std::vector<CaName>& online_ca_names();

}  // namespace sallyport::records
