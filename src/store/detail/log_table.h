// The transparency log's tables of one connection, inside one transaction. Not thread-safe.
#pragma once

#include "records/log_record.h"
#include "store/detail/record_tables.h"

namespace sallyport::store {

class LogTable final : public records::LogStore {
 public:
  // Borrows the state of its transaction.
  LogTable(Database& database, TransactionState& state) : database_(database), state_(state) {}

  Result<std::uint64_t> size() const override;
  Result<void> append(std::uint64_t index, const records::LogRow& row) override;
  Result<std::vector<Bytes>> entries(std::uint64_t first, std::size_t limit) const override;
  Result<std::optional<std::uint64_t>> find_certificate(const records::Digest& sha256) const override;
  Result<std::uint64_t> last_audit_sequence() const override;
  Result<void> put_tile(unsigned level, std::uint64_t index, ByteView hashes) override;
  Result<std::optional<Bytes>> find_tile(unsigned level, std::uint64_t index) const override;
  Result<std::uint64_t> hashed() const override;

 private:
  Database& database_;
  TransactionState& state_;
};

}  // namespace sallyport::store
