// Who called what, and what came of it: lines of JSON in a file, each holding the hash of the line before, so that a
// line that was removed or changed shows.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/hash.h"
#include "rpcnode/durable_log.h"
#include "sealed/responder.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxAuditFile = 16U << 20U;  // bytes; then the next file is begun
inline constexpr std::size_t kAuditFilesKept = 8;         // older ones beside the current one
inline constexpr std::size_t kMaxAuditText = 200;         // bytes of a reason, of an item
inline constexpr std::size_t kAuditItems = 8;             // items named; of more, their number

// One call. Parameters other than the items are never in it: they may be secret.
struct AuditEntry {
  UnixTime time;
  std::string who;  // principal
  std::string way;  // "mqtt", "https", "eva"
  std::string method;
  std::vector<std::string> items;
  std::string result;  // "ok", "denied", "failed", "timed out", "unknown method", …
  std::string reason;  // why not; empty with "ok"
  milliseconds took{0};
  sealed::CallId id;
};

// Where a line leads back to. The first file's first line leads to zeroes.
struct AuditHead {
  std::uint64_t lines = 0;
  crypto::Sha256Digest hash{};
};

// One line with its end, and the head after it.
std::string encode_audit_line(const AuditEntry& entry, AuditHead& head);
// Follows `head` through the whole lines of `text`: Errc::malformed, "line N: …", for one that does not continue the
// line before. What follows the last end of line is not looked at.
Result<AuditHead> check_audit_lines(std::string_view text, AuditHead head);

// The files audit.jsonl, audit.1.jsonl (older), … of a folder. One thread.
class AuditTrail {
 public:
  // Goes on where the file ends; a line that a crash cut short is cut off. Errc::malformed when the chain is broken.
  static Result<std::unique_ptr<AuditTrail>> open(std::filesystem::path folder, net::TaskGroup& tasks);
  // Whether a call that is run now can be written down: where not, nothing is to be run. False while the file cannot be
  // written, and while too much waits for the disk.
  bool is_ready() const;
  // On disk a little later. Fails with the file's fault.
  Result<void> add(const AuditEntry& entry);
  // Begins the next file when it is time, and opens the file anew after a fault: what waited then is lost, and the
  // chain goes on behind what is on disk, which is an error too, once. To be called now and then.
  Result<void> on_tick();
  // Whether everything is on disk, or lost with its file.
  bool is_idle();
  const AuditHead& head() const { return head_; }

 private:
  AuditTrail(std::filesystem::path folder, net::TaskGroup& tasks) : folder_(std::move(folder)), tasks_(tasks) {}
  std::filesystem::path file(std::size_t age) const;
  Result<void> open_current();
  Result<void> turn();
  Result<void> rotate();

  std::filesystem::path folder_;
  net::TaskGroup& tasks_;
  AuditHead head_;
  AuditHead base_;  // where the current file begins, or the next one
  // The file is full: what comes now is for the next one, which begins once the last line of this one is on disk.
  bool is_turning_ = false;
  Bytes held_;
  std::unique_ptr<DurableLog> log_;
};

// Checks all files of `folder`, oldest first. Files that were dropped for their age are no fault: the oldest one's
// first line says where it goes on.
Result<AuditHead> check_audit_trail(const std::filesystem::path& folder);

}  // namespace sallyport::rpcnode
