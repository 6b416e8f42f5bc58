// The steps of `sallyport restore`: a whole new state beside the present one, judged before it takes its place.
#pragma once

#include <filesystem>
#include <optional>

#include "command.h"
#include "installation_folder.h"
#include "keystore/backup_file.h"
#include "state_facts.h"

namespace sallyport::cli {

// What this machine knows already: the state that a backup would replace.
struct PresentState {
  StateFacts facts;
  // Whether the audit log here and the one of the backup are the same as far as both go.
  bool is_same_history = false;
  std::vector<Bytes> root_crls;  // DER
};

// The state out of a backup, in a folder beside the one that it shall become.
struct RestoredState {
  InstallationPaths paths;
  StateFacts facts;
  std::string created;  // when the backup was made, as it says
};

// Writes all files of the backup below `folder`, which must not exist, with the machine secret of `secret`; opens every
// key and the database. Errc::malformed, Errc::unauthorized: what does not belong together.
Result<RestoredState> unpack_backup(const keystore::BackupReader& backup, const std::filesystem::path& folder,
                                    const std::filesystem::path& secret, const Environment& environment);

// Reads what is at `paths`. Errc::unauthorized when it is another installation's: no root of the one is one of the
// other.
Result<PresentState> read_present_state(const InstallationPaths& paths, const RestoredState& restored);

// Refuses with Errc::conflict what would undo something, naming it. Absent when nothing would be undone.
std::optional<Error> what_would_be_undone(const PresentState& present, const RestoredState& restored);

// Makes the restored state know that it is one: the roots' CRLs and the log's mark of the present state where they are
// newer, a snapshot number above every one that was told, an entry in the audit log, and a value for doctor.
Result<void> mark_restored(const RestoredState& restored, const std::optional<PresentState>& present,
                           const InstallationPaths& present_paths, const Environment& environment);

}  // namespace sallyport::cli
