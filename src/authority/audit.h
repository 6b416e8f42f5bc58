// Appending to the audit log's hash chain, and checking it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "codec/json.h"
#include "records/database.h"

namespace sallyport::authority {

// Appends an entry that continues the chain, as part of the transaction of `records`, and logs it (log_entries.h).
// `detail` must be a JSON object.
Result<void> append_audit(records::Records& records, UnixTime now, std::string_view actor, std::string_view action,
                          std::string_view subject, codec::Json::Object detail);

// Every so many entries the hash is kept in memory, so that a row that is shown can be checked by walking over few.
inline constexpr std::uint64_t kAuditBlock = 64;

// How far the chain was walked, and what it was then: what was altered since is noticed although it hashes rightly.
// A value; 32 bytes per kAuditBlock entries. Not thread-safe.
class AuditWalk {
 public:
  // Walks over what was appended since the last call. The first entry that does not hold is remembered for good.
  Result<void> go_on(records::Records& records);
  // Walks again over the blocks in which `shown` are, which must be in ascending order.
  Result<void> check(records::Records& records, std::span<const records::AuditEntry> shown);

  // What another walk of the same log found earlier must be what this one found: a chain that was made anew as a whole
  // holds in itself.
  void compare(const AuditWalk& earlier);

  // The sequence of the first entry found whose hash, predecessor or number is wrong, or that is missing.
  std::optional<std::uint64_t> broken_at() const { return broken_at_; }
  // Up to which entry everything holds.
  std::uint64_t sequence() const { return sequence_; }
  const records::Digest& hash() const { return hash_; }

 private:
  void found_broken(std::uint64_t sequence);

  std::vector<records::Digest> anchors_{records::Digest{}};  // the hash of entry i * kAuditBlock; zero before the first
  std::uint64_t sequence_ = 0;
  records::Digest hash_{};
  std::optional<std::uint64_t> broken_at_;
};

}  // namespace sallyport::authority
