// Finds how one list of hashes became another: what is missing, altered, in another place, or too much.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "tlog/merkle.h"

namespace sallyport::tlog {

// DO NOT CHANGE THE TEXTS: scripts read them.
enum class LogFault : std::uint8_t {
  missing,         // an entry that the tree has is not there
  altered,         // another entry stands in its place, which the tree has nowhere near
  misplaced,       // an entry that belongs elsewhere stands in its place
  unexpected,      // an entry too much
  malformed,       // no entry of this version, though the tree has it
  bad_tile,        // a file of hashes is missing or does not follow from those below
  wrong_root,      // the hashes do not lead to the checkpoint's root
  bad_checkpoint,  // not signed by the log's key, or no checkpoint
  audit_gap,       // an audit event before this one was never logged
};
// "missing", "altered", "misplaced", "unexpected", "malformed", "bad-tile", "wrong-root", "bad-checkpoint",
// "audit-gap"
std::string_view to_string(LogFault fault);

struct LogFinding {
  std::optional<std::uint64_t> index;  // of the entry at fault; absent for the log as a whole
  LogFault fault{};
  std::string detail;  // "found x, want y"
  friend bool operator==(const LogFinding&, const LogFinding&) = default;
};

// Compares what is found with what is expected as both come in. Entries are recognised when they are at most
// kAlignWindow places away from where they belong. Not thread-safe.
inline constexpr std::size_t kAlignWindow = 512;
inline constexpr std::size_t kMaxFindings = 10'000;

class Aligner {
 public:
  void expect(const Hash& hash);
  void find(const Hash& hash);
  // Judges what is left; nothing may follow.
  void finish();
  // In order of index; at most kMaxFindings are kept.
  const std::vector<LogFinding>& findings() const { return findings_; }

 private:
  void judge_while(std::size_t waiting);
  void judge_front();
  void add(std::uint64_t index, LogFault fault, std::string detail);
  void drop_expected();

  std::deque<Hash> expected_, found_;
  std::uint64_t index_ = 0;  // of expected_.front()
  std::vector<LogFinding> findings_;
};

}  // namespace sallyport::tlog
