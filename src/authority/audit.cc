#include "authority/audit.h"

#include <algorithm>

#include "authority/log_entries.h"
#include "crypto/hash.h"

namespace sallyport::authority {
namespace {

constexpr std::size_t kVerifyPage = 1'000;

bool continues(const records::AuditEntry& entry, std::uint64_t sequence, const records::Digest& hash) {
  return entry.sequence == sequence + 1 && entry.previous == hash &&
         entry.hash == crypto::sha256(records::audit_hash_input(entry));
}

struct BlockEnd {
  std::optional<std::uint64_t> at;  // the first entry that does not hold
  records::Digest hash{};           // of the last
};

// Walks from the entry `after`, whose hash is `hash`, to the entry `last`.
Result<BlockEnd> find_break(records::Records& records, std::uint64_t after, records::Digest hash, std::uint64_t last) {
  records::AuditFilter filter;
  filter.after = after;
  filter.limit = static_cast<std::size_t>(last - after);
  TRY(auto block, records.audit().list(filter));
  for (const records::AuditEntry& entry : block) {
    if (!continues(entry, filter.after, hash)) return BlockEnd{filter.after + 1, {}};
    filter.after = entry.sequence;
    hash = entry.hash;
  }
  if (filter.after < last) return BlockEnd{filter.after + 1, {}};
  return BlockEnd{std::nullopt, hash};
}

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
  TRY_VOID(records.audit().append(entry));
  return log_audit_event(records, entry);
}

void AuditWalk::found_broken(std::uint64_t sequence) {
  broken_at_ = std::min(sequence, broken_at_.value_or(sequence));
}

Result<void> AuditWalk::go_on(records::Records& records) {
  records::AuditFilter filter;
  filter.limit = kVerifyPage;
  while (!broken_at_) {
    filter.after = sequence_;
    TRY(auto page, records.audit().list(filter));
    for (const records::AuditEntry& entry : page) {
      if (!continues(entry, sequence_, hash_)) {
        found_broken(sequence_ + 1);
        return {};
      }
      sequence_ = entry.sequence;
      hash_ = entry.hash;
      if (sequence_ % kAuditBlock == 0) anchors_.push_back(hash_);
    }
    if (page.size() == kVerifyPage) continue;
    // Entries that were there once and are not any more leave no later one that fails.
    TRY(auto head, records.audit().head());
    if ((head ? head->sequence : 0) < sequence_) found_broken(head ? head->sequence + 1 : 1);
    return {};
  }
  return {};
}

void AuditWalk::compare(const AuditWalk& earlier) {
  for (std::size_t i = 1; i < std::min(anchors_.size(), earlier.anchors_.size()); ++i) {
    if (anchors_[i] == earlier.anchors_[i]) continue;
    found_broken((i - 1) * kAuditBlock + 1);
    return;
  }
  if (sequence_ < earlier.sequence_) found_broken(sequence_ + 1);
  if (sequence_ == earlier.sequence_ && hash_ != earlier.hash_) found_broken((anchors_.size() - 1) * kAuditBlock + 1);
}

Result<void> AuditWalk::check(records::Records& records, std::span<const records::AuditEntry> shown) {
  std::uint64_t checked = 0;  // up to this entry
  for (const records::AuditEntry& entry : shown) {
    if (entry.sequence <= checked || entry.sequence > sequence_) continue;
    const std::uint64_t block = (entry.sequence - 1) / kAuditBlock;
    checked = std::min((block + 1) * kAuditBlock, sequence_);
    TRY(auto broken, find_break(records, block * kAuditBlock, anchors_[block], checked));
    const records::Digest& known = checked == sequence_ ? hash_ : anchors_[block + 1];
    if (broken.at) found_broken(*broken.at);
    if (!broken.at && broken.hash != known) found_broken(block * kAuditBlock + 1);
  }
  return {};
}

}  // namespace sallyport::authority
