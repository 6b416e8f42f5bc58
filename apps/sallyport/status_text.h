// The answer of status.show for people (docs/api/openapi.yaml, Status).
#pragma once

#include <vector>

#include "codec/json.h"

namespace sallyport::cli {

// Prints the hosts, their signers, and the root CRLs.
Result<void> print_status(const codec::Json& status);
// Whether a host is connected, has a lease, and has a key for every CA.
Result<bool> is_answering(const codec::Json& status);
// A row for each CRL, the roots' first: ca, number, this_update, next_update, left, entries, bytes, and the lowest
// number that a host hands out as "served".
Result<codec::Json::Array> crl_rows(const codec::Json& status);

}  // namespace sallyport::cli
