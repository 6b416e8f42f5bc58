// The steps of `sallyport ca rollover` and `sallyport ca retire`, on an installation that does not run. Each may be
// repeated after a crash at any point: what was done already is found done.
//
//   <state>/rollover/to-root/         request.toml and a request for each new key
//   <state>/rollover/from-root/       what the root answered
//   <state>/rollover/installing       the CAs whose certificates are being taken in, one a line: until it is gone,
//                                     `sallyport up` refuses to start
//   <state>/signer/<ca>.next.key      the new key, until it is in use
#pragma once

#include <string>
#include <vector>

#include "codec/json.h"
#include "command.h"
#include "installation_folder.h"
#include "offline_authority.h"
#include "settings.h"

namespace sallyport::cli {

struct RolloverPaths {
  std::filesystem::path to_root;
  std::filesystem::path from_root;
  std::filesystem::path marker;
};
RolloverPaths rollover_paths(const InstallationPaths& paths);

// The CAs of a rollover whose certificates are being taken in; empty when there is none.
Result<std::vector<std::string>> find_interrupted_rollover(const InstallationPaths& paths);
// Errc::conflict with what to do when a rollover was interrupted while it was taken in.
Result<void> check_no_rollover_is_open(const InstallationPaths& paths);

// Makes the new keys of `cas` and the requests to the root; keys that are there already stay.
Result<void> settle_next_keys(const InstallationPaths& paths, const Settings& settings,
                              const std::vector<std::string>& cas);
// Whether the root's answer has root.pem, root.crl and a certificate for each of `cas`.
bool has_answer_for(const std::filesystem::path& from_root, const std::vector<std::string>& cas);

// A root's answer that was checked against the installed roots and the new keys.
struct RolloverAnswer {
  std::vector<pki::Certificate> roots;  // to be trusted, newest first
  std::vector<pki::Certificate> links;  // oldest first
  std::vector<pki::Crl> crls;           // one per root that has one
  std::vector<std::pair<std::string, pki::Certificate>> cas;
};
// Errc::unauthorized for a root to which no link leads from the installed one, no CRL of the newest root that is in
// date, a certificate that is not for the new key, this zone and the newest root, or is revoked. Of `in_force`, the
// root CRLs in the records, those with a higher number than what was brought stay.
Result<RolloverAnswer> read_answer(const InstallationPaths& paths, const Settings& settings,
                                   const std::filesystem::path& from_root, const std::vector<std::string>& cas,
                                   const std::vector<pki::Crl>& in_force, const Clock& clock);
// The root CRLs in the records, the newest root's first. Errc::not_found when there is none.
Result<std::vector<pki::Crl>> read_root_crls(const InstallationPaths& paths);

// Takes the answer into trust/ and signer/: the old keys and certificates under "<ca>@<serial>", the new ones in their
// place. Begins with the marker.
Result<void> install_answer(const InstallationPaths& paths, const RolloverAnswer& answer);
// The same in the records.
Result<void> record_answer(records::RecordDatabase& database, const RolloverAnswer& answer, UnixTime now);
// Marks that all is taken in, then removes next keys, requests, the answer and, last, the marker.
Result<void> finish_rollover(const InstallationPaths& paths);
// Goes on with finish_rollover() where an earlier run was killed in it; returns whether one was.
Result<bool> finish_interrupted_rollover(const InstallationPaths& paths);

// What lives below a CA that was replaced.
struct OlderCaState {
  records::CaName name;  // "online-ca@<serial>"
  UnixTime not_after;
  std::uint64_t alive = 0;               // certificates neither revoked nor ended; for a root: CAs
  std::optional<UnixTime> last_ends_at;  // of those
  std::uint64_t asleep = 0;              // devices' certificates that have ended and may still be renewed: of sleepers
};
// Every replaced CA of that base name, or every older root for "root". `links` of roots are not told.
Result<std::vector<OlderCaState>> list_older_states(records::RecordDatabase& database, const std::string& base,
                                                    UnixTime now);
// Forgets them: the records, the key and the certificate. For a root, its CRL with it; links stay.
Result<void> retire_older(const InstallationPaths& paths, records::RecordDatabase& database,
                          const std::vector<OlderCaState>& older, UnixTime now);

}  // namespace sallyport::cli
