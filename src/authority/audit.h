// Appending to the audit log's hash chain, and checking it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"
#include "codec/json.h"
#include "records/database.h"

namespace sallyport::authority {

// Appends an entry that continues the chain, as part of the transaction of `records`. `detail` must be a JSON object.
Result<void> append_audit(records::Records& records, UnixTime now, std::string_view actor, std::string_view action,
                          std::string_view subject, codec::Json::Object detail);

// Walks the whole chain and returns the sequence of the first entry whose hash, predecessor or number is wrong; absent
// when every entry holds.
Result<std::optional<std::uint64_t>> find_audit_break(records::Records& records);

}  // namespace sallyport::authority
