// The administration interface: what the console and the command line ask of the authority, as dotted methods with JSON
// parameters and answers (field names: docs/api/openapi.yaml).
#pragma once

#include <string_view>

#include "authority/core.h"
#include "codec/json.h"
#include "net/task.h"
#include "records/role_messages.h"

namespace sallyport::authority {

// Refusals that the console turns into problem types begin their detail with the type's name and ": " ("device-offline:
// …"). Errc::unauthorized also for a role that is too small and a method that does not exist: nothing is allowed by
// default.
net::Task<Result<codec::Json>> administer(Core& core, records::AdminRequest request);

// The least role for `method`; absent for a method that does not exist.
std::optional<records::UserRole> least_role(std::string_view method);

}  // namespace sallyport::authority
