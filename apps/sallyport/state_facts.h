// How far a state of an installation has come: what tells an older one from a newer.
#pragma once

#include <string>

#include "codec/json.h"
#include "records/database.h"

namespace sallyport::cli {

struct StateFacts {
  std::uint64_t change_number = 0;
  std::uint64_t root_crl_number = 0;  // of the newest root's
  Bytes root_key_id;                  // of that root: numbers of different roots say nothing of each other
  std::uint64_t audit_sequence = 0;
  records::Digest audit_hash{};

  // Whether something of `other` would be lost by taking this in its place.
  bool is_behind(const StateFacts& other) const;
};
Result<StateFacts> read_state_facts(records::Records& records);
// "change 12, audit entry 34, root CRL 5"
std::string to_line(const StateFacts& facts);
codec::Json to_json(const StateFacts& facts);

}  // namespace sallyport::cli
