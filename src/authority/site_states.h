// The states of a site, and what a change of them does to its devices: one plan, shown before and carried out after.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "pki/crl.h"
#include "records/database.h"
#include "records/device_record.h"
#include "records/site_record.h"

namespace sallyport::authority {

// Where a site is to go. `kept_until` is of revoked_except alone: the last ledger entry whose device is kept.
struct SiteChange {
  SiteName site;
  records::SiteState to{};
  std::uint64_t kept_until = 0;
};

// What a change does, exactly. As long as the records stay as they are it can be carried out.
struct SitePlan {
  records::SiteRecord site;  // as it will be
  records::SiteState from{};
  std::uint64_t kept_until_before = 0;
  bool is_ca_on_root_crl = false;
  struct Ended {
    SerialId serial_id;
    std::optional<DeviceName> name;  // absent when it never connected
  };
  std::vector<Ended> ended;                                                          // devices that will be revoked
  std::vector<std::pair<records::CaName, records::CertificateSerial>> certificates;  // that will be revoked
  std::uint64_t factory_certificates = 0;                                            // how many of them are the site's
  std::uint64_t kept = 0;       // devices that connected and stay as they are
  std::uint64_t may_enrol = 0;  // devices that never connected and still may
  std::uint64_t barred = 0;     // devices that never connected and no longer may

  bool changes_nothing() const {
    return from == site.state && kept_until_before == site.kept_until && ended.empty() && certificates.empty();
  }
};

// Errc::not_found: no such site. Errc::conflict: revocation is final, and a revoked site keeps no more than it did; or
// the root CRL lists the CA of a site that is to be enabled. Errc::malformed: `kept_until` is beyond the ledger.
Result<SitePlan> plan_site_change(records::Records& records, const SiteChange& change);
// Within the transaction that the plan was made in.
Result<void> carry_out(records::Records& records, const SitePlan& plan, UnixTime now);

// Whether a device of the site, or one that is in no ledger, may come with its factory certificate. Errc::unauthorized.
Result<void> check_site_admits(const SiteName& name, const std::optional<records::SiteRecord>& site,
                               const std::optional<records::DeviceRecord>& device);
// Whether the site's devices are kept, this one among them: what its revocation ended, nothing brings back.
// Errc::conflict.
Result<void> check_site_keeps(records::Records& records, const records::DeviceRecord& device);
// Whether permits and ledgers of the site are still taken. Errc::conflict when it is revoked.
Result<void> check_site_has_a_future(const records::SiteRecord& site);
// The root's revocation of a local CA leaves no factory certificate of it that verifies: its site, if active, becomes
// disabled, so that the record says what is so. Revoking the devices as well stays the operator's decision.
Result<void> disable_sites_of_crl(records::Records& records, const pki::Crl& crl, UnixTime now, std::string_view actor);

}  // namespace sallyport::authority
