// A factory station: one site's CA without a network, which issues factory certificates under a signed permit
// (docs/protocol/ledger.md).
//
//   <folder>/factory.toml   site, zone, and where the key is
//   <folder>/secret         what ca.key is encrypted under; neither is there when the key is in a token
//   <folder>/ca.key ca.pem  the site's CA
//   <folder>/root.pem       the installation's root
//   <folder>/permit         the site permit in force, as it was signed
//   <folder>/ledger.bin     factory/ledger_file.h
//   <folder>/to-root/       local-ca-<site>.csr and request.toml, for the offline root
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/names.h"
#include "base/random.h"
#include "base/time.h"
#include "factory/ledger.h"
#include "keystore/machine_secret.h"
#include "keystore/state_folder.h"
#include "pki/csr.h"
#include "pki/permit.h"
#include "pki/time_rule.h"

namespace sallyport::factory {

inline constexpr keystore::StateFormat kFactoryFormat{
    .kind = "factory", .version = 2, .oldest = 2, .made_by = "sallyport factory init"};
// Entries of one export: some 10 MB, which one order of the administration interface still carries.
inline constexpr std::size_t kMaxEntriesPerExport = 10'000;
// How far the clock may lie behind the newest ledger entry; beyond that nothing is issued.
inline constexpr seconds kClockStep{300};

struct NewStation {
  SiteName site;
  DnsName zone;
  std::optional<std::string> key = std::nullopt;  // pkcs11: URI (keystore/pkcs11.h); absent: a file in the folder
};
// Makes the CA key (in the token, unless one of that label is there, which is then taken), the request for the root,
// and the configuration. May be repeated after a crash with the same names; Errc::conflict with others.
Result<void> initialise_station(const keystore::StateFolder& folder, const NewStation& station, Random& random);

// What installs a station's right to issue.
struct Commissioning {
  Bytes permit;          // a sealed object of kind "permit"
  std::string ca_pem;    // certificate of the site's CA
  std::string root_pem;  // the installation's root
};

// The whole state for people and for `--json`.
struct StationStatus {
  SiteName site;
  DnsName name_space;
  std::optional<pki::SitePermit> permit;
  std::optional<pki::Validity> ca_validity;
  pki::LedgerHead head;
  std::size_t voided = 0;
};

// An initialised station. Not thread-safe.
class Station {
 public:
  // Errc::not_found before initialise_station was complete. `clock` and `random` must outlive it.
  static Result<Station> open(keystore::StateFolder folder, const Clock& clock, Random& random);

  // Verifies and installs permit and CA certificate. Errc::unauthorized: not signed for this site and key by that root,
  // or a root other than the one installed; Errc::conflict: an older permit than the one in force.
  Result<pki::SitePermit> commission(const Commissioning& commissioning);

  // Issues for a request made on the device. The serial id is `serial_id` or, without it, what the request names; names
  // in the request must be exactly that id in this site's namespace. The same request again returns the same
  // certificate. Errc::conflict: serial id or key was used before; Errc::expired: outside the permit's time;
  // Errc::overloaded: the permit is used up; Errc::unauthorized: a foreign name, or no permit.
  Result<Issued> issue(const pki::CertificateRequest& request, const std::optional<SerialId>& serial_id);

  // Signs the entries after `after`, at most `most` and kMaxEntriesPerExport. Errc::not_found when there are none.
  Result<pki::LedgerExport> export_ledger(std::uint64_t after, std::size_t most = kMaxEntriesPerExport);

  StationStatus status() const;
  // The certificate that goes out behind every device's; absent before the first permit.
  std::optional<pki::Certificate> ca() const;
  // The installation's root; absent before the first permit.
  std::optional<pki::Certificate> root() const;
  const Ledger& ledger() const { return ledger_; }

 private:
  struct Authority {
    pki::Certificate ca;
    pki::Certificate root;
    pki::SitePermit permit;
    Bytes sealed_permit;
  };
  Station(keystore::StateFolder folder, NewStation names, std::unique_ptr<crypto::SigningKey> key, Ledger ledger,
          const Clock& clock, Random& random);
  Result<Authority> verify(const Commissioning& commissioning, const pki::TimeRule& time) const;
  Result<void> load_authority();
  Result<void> check_permit(const SerialId& serial_id) const;
  Result<Issued> sign(const pki::CertificateRequest& request, const SerialId& serial_id);

  keystore::StateFolder folder_;
  NewStation names_;
  DnsName name_space_;
  std::unique_ptr<crypto::SigningKey> key_;
  Ledger ledger_;
  std::optional<Authority> authority_;
  const Clock& clock_;
  Random& random_;
};

// Returns the serial id that `request` is for: `wanted`, or the one that it names. Errc::unauthorized when its names
// are not exactly `<serial id>.<name_space>`, Errc::malformed when it names none and none is wanted.
Result<SerialId> serial_id_for(const pki::CertificateRequest& request, const std::optional<SerialId>& wanted,
                               const DnsName& name_space);

}  // namespace sallyport::factory
