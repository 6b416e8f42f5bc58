// What the transparency log is kept in: its entries in order, and the tiles of hashes over them. What an entry says is
// tlog/entry.h's.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "records/certificate_record.h"

namespace sallyport::records {

struct LogRow {
  Bytes entry;                                  // 1 to 65,535 bytes
  std::optional<Digest> certificate;            // SHA-256 of the certificate that it logs
  std::optional<std::uint64_t> audit_sequence;  // of the audit event that it logs
};

// Every call is part of the transaction of the Records it belongs to.
class LogStore {
 public:
  virtual ~LogStore() = default;

  // How many entries there are: the index of the next.
  virtual Result<std::uint64_t> size() const = 0;
  // Errc::conflict unless `index` is the next, or when the certificate or audit event is logged already.
  virtual Result<void> append(std::uint64_t index, const LogRow& row) = 0;
  // The entries from `first` on, at most `limit`.
  virtual Result<std::vector<Bytes>> entries(std::uint64_t first, std::size_t limit) const = 0;
  // The index of the entry that logs this certificate.
  virtual Result<std::optional<std::uint64_t>> find_certificate(const Digest& sha256) const = 0;
  // The highest audit sequence that was logged, 0 before the first.
  virtual Result<std::uint64_t> last_audit_sequence() const = 0;

  // Replaces a tile: 1 to 256 hashes. `level` is 0 to 7.
  virtual Result<void> put_tile(unsigned level, std::uint64_t index, ByteView hashes) = 0;
  virtual Result<std::optional<Bytes>> find_tile(unsigned level, std::uint64_t index) const = 0;
  // How many entries have their hash in the tiles of level 0.
  virtual Result<std::uint64_t> hashed() const = 0;
};

}  // namespace sallyport::records
