// What a log says beyond its hashes: that its certificates are their CAs', and that it and the records agree.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "codec/json.h"
#include "command.h"
#include "pki/certificate.h"
#include "tlog/check.h"

namespace sallyport::cli {

// One thing that is wrong, for people and programs. `fault` is a tlog::to_string(LogFault), or one of
// "bad-certificate", "unlogged", "unrecorded", "audit-differs", "ledger-differs", "fell".
struct Finding {
  std::optional<std::uint64_t> index;
  std::string fault;
  std::string detail;
};
codec::Json to_json(const Finding& finding);
// "entry 7: missing: …", or without an index "log: …".
std::string to_line(const Finding& finding);

struct HashKey {
  std::size_t operator()(const tlog::Hash& hash) const;
};

// What an installation has on record at one moment. Keeps about 150 bytes of each certificate, 40 of each audit event.
struct RecordPicture {
  struct SiteHead {
    std::string site;
    std::uint64_t sequence = 0;
    tlog::Hash hash{};
  };
  std::unordered_map<tlog::Hash, std::string, HashKey> certificates;  // by SHA-256: "<serial> of <ca>"
  std::vector<tlog::Hash> events;                                     // audit events 1, 2, 3, …
  std::vector<SiteHead> heads;
};
Try<RecordPicture> take_picture(const std::filesystem::path& state, Environment& environment);

// Takes the entries of a log in as they are read, and judges them. Keeps 64 bytes of each.
class LogContent {
 public:
  explicit LogContent(std::vector<pki::Certificate> roots) : cas_(std::move(roots)) {}

  void take(const tlog::LogEntry& entry);
  // Judges what waited for its CA. Once, after the last entry.
  void finish();

  // Compares with what was on record before the checkpoint was asked for, and after the last entry was read: a living
  // installation goes on meanwhile.
  void compare(const RecordPicture& before, const RecordPicture& after);
  // Whether this certificate is logged; a finding when it is not.
  void demand(const pki::Certificate& certificate, std::string_view where);

  std::vector<Finding> take_findings() { return std::move(findings_); }

 private:
  void take_certificate(std::uint64_t index, const tlog::CertificateEntry& entry);
  bool is_issued(const pki::Certificate& certificate) const;
  void add(std::optional<std::uint64_t> index, std::string_view fault, std::string detail);
  struct Logged {
    std::uint64_t index = 0;
    tlog::Hash hash{};
  };
  std::vector<pki::Certificate> cas_;
  std::vector<std::pair<std::uint64_t, pki::Certificate>> waiting_;      // for their CA
  std::unordered_map<tlog::Hash, std::uint64_t, HashKey> certificates_;  // by SHA-256: index
  std::map<std::uint64_t, Logged> events_;                               // by audit sequence
  std::map<std::string, std::pair<std::uint64_t, Logged>> heads_;        // by site: sequence of the newest
  std::vector<Finding> findings_;
};

}  // namespace sallyport::cli
