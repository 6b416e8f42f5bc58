// The audit log: a hash chain of what was done, and remote access sessions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/names.h"
#include "base/time.h"
#include "records/certificate_record.h"

namespace sallyport::records {

struct AuditEntry {
  std::uint64_t sequence = 0;  // 1, 2, 3, …
  UnixTime time;
  std::string actor;    // login, "role:gateway", "cli:uid 0"
  std::string action;   // stable dotted name: "device.claimed"
  std::string subject;  // what it was done to
  std::string detail;   // JSON object
  Digest previous{};    // hash of the entry before; zero for the first
  Digest hash{};        // SHA-256 of audit_hash_input()
};
// The bytes whose SHA-256 is the entry's hash: every field but `hash`, under the domain "sallyport/audit/v1".
Bytes audit_hash_input(const AuditEntry& entry);

struct AuditFilter {
  std::uint64_t after = 0;  // sequence
  std::string action;       // prefix; empty: all
  std::string subject;      // exact; empty: all
  std::size_t limit = 100;
  bool newest_first = false;  // the last `limit` of them instead of the first
};

class AuditLog {
 public:
  virtual ~AuditLog() = default;
  // Appends. Errc::conflict unless sequence and previous continue the head.
  virtual Result<void> append(const AuditEntry& entry) = 0;
  virtual Result<std::optional<AuditEntry>> head() const = 0;
  virtual Result<std::vector<AuditEntry>> list(const AuditFilter& filter) const = 0;
};

// One user's use of one service of one device under one access grant.
struct AccessSessionRecord {
  Bytes grant_id;  // 16 bytes
  std::string login;
  DeviceName device;
  ServiceName service;
  GrantLabel label;
  std::string source;  // address that the relay told
  UnixTime opened;
  std::optional<UnixTime> ended;
  std::string end_reason;
  std::uint64_t bytes_to_device = 0;
  std::uint64_t bytes_to_user = 0;
  std::uint32_t connections = 0;
};

class AccessSessionLog {
 public:
  virtual ~AccessSessionLog() = default;
  virtual Result<void> put(const AccessSessionRecord& session) = 0;  // inserts, or replaces the one of this grant id
  virtual Result<std::optional<AccessSessionRecord>> find(ByteView grant_id) const = 0;
  virtual Result<std::vector<AccessSessionRecord>> list(const std::optional<DeviceName>& device, bool live_only,
                                                        std::size_t limit) const = 0;
};

}  // namespace sallyport::records
