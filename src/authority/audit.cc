#include "authority/audit.h"

#include "crypto/hash.h"

namespace sallyport::authority {
namespace {

constexpr std::size_t kVerifyPage = 1'000;

}  // namespace

Result<void> append_audit(records::Records& records, UnixTime now, std::string_view actor, std::string_view action,
                          std::string_view subject, codec::Json::Object detail) {
  TRY(auto head, records.audit().head());
  records::AuditEntry entry;
  entry.sequence = head ? head->sequence + 1 : 1;
  entry.time = now;
  entry.actor = actor;
  entry.action = action;
  entry.subject = subject;
  entry.detail = codec::Json(std::move(detail)).write();
  if (head) entry.previous = head->hash;
  entry.hash = crypto::sha256(records::audit_hash_input(entry));
  return records.audit().append(entry);
}

Result<std::optional<std::uint64_t>> find_audit_break(records::Records& records) {
  records::Digest previous{};
  records::AuditFilter filter;
  filter.limit = kVerifyPage;
  for (;;) {
    TRY(auto page, records.audit().list(filter));
    for (const records::AuditEntry& entry : page) {
      if (entry.sequence != filter.after + 1 || entry.previous != previous ||
          entry.hash != crypto::sha256(records::audit_hash_input(entry))) {
        return std::optional(filter.after + 1);
      }
      previous = entry.hash;
      filter.after = entry.sequence;
    }
    if (page.size() < kVerifyPage) return std::optional<std::uint64_t>();
  }
}

}  // namespace sallyport::authority
