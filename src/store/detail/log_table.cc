#include "store/detail/log_table.h"

namespace sallyport::store {
namespace {

Result<Bytes> read_log_entry(const Query& row) {
  return row.bytes(0);
}

Result<std::uint64_t> read_number(const Query& row) {
  return row.unsigned_integer(0);
}

}  // namespace

Result<std::uint64_t> LogTable::size() const {
  if (!state_.log_size) {
    TRY(const auto last, database_.integer("SELECT coalesce(max(log_index), -1) FROM log_entry"));
    state_.log_size = static_cast<std::uint64_t>(last + 1);
  }
  return *state_.log_size;
}

Result<void> LogTable::append(std::uint64_t index, const records::LogRow& row) {
  TRY(const auto next, size());
  if (index != next) return failf(Errc::conflict, "log: entry {}, want {}", index, next);
  TRY(const auto inserted, database_.run("INSERT INTO log_entry(log_index, entry, certificate_sha256, audit_sequence) "
                                         "VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                                         index, row.entry, row.certificate, row.audit_sequence));
  if (inserted == 0) return failf(Errc::conflict, "log: entry {} logs what is logged already", index);
  state_.log_size = next + 1;
  return {};
}

Result<std::vector<Bytes>> LogTable::entries(std::uint64_t first, std::size_t limit) const {
  TRY(auto query,
      database_.query("SELECT entry FROM log_entry WHERE log_index >= ?1 ORDER BY log_index LIMIT ?2", first, limit));
  return read_all(std::move(query), read_log_entry);
}

Result<std::optional<std::uint64_t>> LogTable::find_certificate(const records::Digest& sha256) const {
  TRY(auto query, database_.query("SELECT log_index FROM log_entry WHERE certificate_sha256 = ?1", sha256));
  return read_first(std::move(query), read_number);
}

Result<std::uint64_t> LogTable::last_audit_sequence() const {
  TRY(const auto last, database_.integer("SELECT coalesce(max(audit_sequence), 0) FROM log_entry"));
  return static_cast<std::uint64_t>(last);
}

Result<void> LogTable::put_tile(unsigned level, std::uint64_t index, ByteView hashes) {
  TRY_VOID(
      database_.run("INSERT INTO log_tile(level, tile, hashes) VALUES(?1, ?2, ?3) ON CONFLICT(level, tile) DO "
                    "UPDATE SET hashes = excluded.hashes",
                    std::uint64_t{level}, index, hashes));
  return {};
}

Result<std::optional<Bytes>> LogTable::find_tile(unsigned level, std::uint64_t index) const {
  TRY(auto query,
      database_.query("SELECT hashes FROM log_tile WHERE level = ?1 AND tile = ?2", std::uint64_t{level}, index));
  return read_first(std::move(query), read_log_entry);
}

Result<std::uint64_t> LogTable::hashed() const {
  TRY(const auto hashes,
      database_.integer("SELECT coalesce((SELECT tile * 256 + length(hashes) / 32 FROM log_tile WHERE "
                        "level = 0 ORDER BY tile DESC LIMIT 1), 0)"));
  return static_cast<std::uint64_t>(hashes);
}

}  // namespace sallyport::store
