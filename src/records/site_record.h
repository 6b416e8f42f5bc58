// A factory as the installation knows it: its CA, its permit, how far its ledger has come in.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/names.h"
#include "records/certificate_record.h"

namespace sallyport::records {

// DO NOT CHANGE THESE VALUES: they are stored.
enum class SiteState : std::uint8_t {
  active = 1,
  disabled = 2,        // enrols no device that has never connected; ends nothing
  revoked = 3,         // its CA is nobody's, its devices are revoked
  revoked_except = 4,  // the same, except devices of ledger entries up to `kept_until`
};
std::string_view to_string(SiteState state);

struct SiteRecord {
  SiteName name;
  SiteState state = SiteState::active;
  Bytes ca_certificate;                // DER; empty until the root has signed it
  Bytes permit;                        // the signed site permit as handed out; empty until then
  std::uint64_t permitted = 0;         // certificates that the permit allows
  std::uint64_t activation_quota = 0;  // devices that may enrol
  std::uint64_t enrolled = 0;          // devices that did, each serial id counted once
  std::uint64_t ledger_sequence = 0;   // of the last accepted entry
  Digest ledger_head{};                // its hash; zero before the first
  std::uint64_t kept_until = 0;        // under revoked_except: the last entry whose device is kept
  UnixTime created;
};

class SiteDirectory {
 public:
  virtual ~SiteDirectory() = default;
  virtual Result<void> add(const SiteRecord& site) = 0;     // Errc::conflict when the name is taken
  virtual Result<void> update(const SiteRecord& site) = 0;  // Errc::not_found without one
  virtual Result<std::optional<SiteRecord>> find(const SiteName& name) const = 0;
  virtual Result<std::vector<SiteRecord>> list() const = 0;
};

}  // namespace sallyport::records
