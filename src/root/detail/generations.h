// The roots of one folder, and what a rollover does to its files.
#pragma once

#include <vector>

#include "keystore/state_folder.h"
#include "root/journal.h"
#include "root/root.h"

namespace sallyport::root::detail {

// Where a rollover puts what it has made, until the journal says that it happened.
inline constexpr std::string_view kStaging = "rollover";

// Ends a rollover that was interrupted: moves into place what the journal says has happened, removes the rest. Repeated
// after a crash of its own it goes on.
Result<void> settle_rollover(const keystore::StateFolder& folder, const Journal& journal);

// Every root that the journal tells of, oldest first, as it is in the folder. Errc::conflict when the newest is another
// than the journal says.
Result<std::vector<RootGeneration>> read_generations(const keystore::StateFolder& folder, const Journal& journal);

}  // namespace sallyport::root::detail
