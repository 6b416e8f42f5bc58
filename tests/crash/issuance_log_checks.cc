// What must hold of the transparency log whatever a crash left of it.
#include <map>

#include "authority/log_keeper.h"
#include "crypto/hash.h"
#include "issuance.h"
#include "tlog/entry.h"

namespace sallyport::crash {
namespace {

constexpr std::size_t kAllEntries = 100'000;

std::unexpected<Error> broken_log(std::string text) {
  return fail(Errc::internal, "log: " + std::move(text));
}

// What the entries of a log say.
struct LogContent {
  std::vector<tlog::Hash> leaves;
  std::map<records::Digest, std::string> certificates;  // by SHA-256: the CA that each entry names
  std::map<SiteName, tlog::LedgerHeadEntry> heads;      // the newest of each site
  std::uint64_t events = 0;
};

Result<LogContent> read_log(records::Records& records) {
  LogContent out;
  TRY(const auto entries, records.log().entries(0, kAllEntries));
  for (const Bytes& bytes : entries) {
    TRY(const auto entry, tlog::parse_log_entry(bytes));
    if (entry.index != out.leaves.size()) return broken_log("an entry is not at its place");
    out.leaves.push_back(tlog::leaf_hash(bytes));
    if (const auto* certificate = std::get_if<tlog::CertificateEntry>(&entry.what)) {
      if (!out.certificates.emplace(crypto::sha256(certificate->der), certificate->ca).second) {
        return broken_log("a certificate is logged twice");
      }
    } else if (const auto* head = std::get_if<tlog::LedgerHeadEntry>(&entry.what)) {
      out.heads.insert_or_assign(head->site, *head);
    } else if (const auto* event = std::get_if<tlog::AuditEntry>(&entry.what)) {
      if (event->sequence != ++out.events) return broken_log("an audit event is logged out of order");
      TRY(const auto recorded, records.audit().list({.after = event->sequence - 1, .limit = 1}));
      if (recorded.empty() || recorded.front().sequence != event->sequence || recorded.front().hash != event->hash) {
        return broken_log("an audit event is logged that is another on record");
      }
    }
  }
  return out;
}

Result<void> check_certificates(records::Records& records, const LogContent& log) {
  TRY(const auto recorded, records.certificates().list_after(0, kAllEntries));
  std::size_t signed_ones = 0;
  for (const auto& [number, record] : recorded) {
    if (record.der.empty()) continue;
    ++signed_ones;
    const auto found = log.certificates.find(crypto::sha256(record.der));
    if (found == log.certificates.end()) return broken_log("a certificate is recorded and not logged");
    if (found->second != record.ca.get()) return broken_log("a certificate is logged under another CA");
  }
  return signed_ones == log.certificates.size() ? Result<void>{}
                                                : broken_log("a certificate is logged and not recorded");
}

Result<tlog::Hash> root_of(const LogContent& log, std::uint64_t size) {
  if (size > log.leaves.size()) return broken_log("it is shorter than what was signed of it");
  tlog::GrowingTree tree;
  for (std::uint64_t i = 0; i < size; ++i) tree.append(log.leaves[i]);
  return tree.root();
}

}  // namespace

Result<void> Issuance::check_log(records::Records& records, const History& history, std::size_t point) const {
  TRY(const auto log, read_log(records));
  TRY_VOID(check_certificates(records, log));
  TRY(const auto head, records.audit().head());
  if (log.events != (head ? head->sequence : 0)) return broken_log("an audit event is recorded and not logged");
  TRY(const auto site, records.sites().find(integration::kSite));
  if (site && site->ledger_sequence > 0) {
    const auto logged = log.heads.find(integration::kSite);
    const bool agrees = logged != log.heads.end() && logged->second.sequence == site->ledger_sequence &&
                        logged->second.hash == site->ledger_head;
    if (!agrees) return broken_log("a ledger head is recorded and not logged");
  }
  for (const SignedLog& signed_head : history.heads) {
    if (signed_head.position > point) continue;
    TRY(const auto root, root_of(log, signed_head.mark.size));
    if (root != signed_head.mark.root) return broken_log("it is not the one that was signed");
  }
  return {};
}

Result<void> Issuance::check_log_goes_on(AuthorityRun& run) const {
  TRY(const auto head, run.sign_log());
  return run.database().read([&](records::Records& records) -> Result<void> {
    TRY(const auto log, read_log(records));
    if (head.size != log.leaves.size()) return broken_log("its head does not cover what was committed");
    TRY(const auto root, root_of(log, head.size));
    TRY(const auto note, tlog::parse_note(head.note));
    TRY(const auto checkpoint, tlog::parse_checkpoint(note.text));
    return checkpoint.root == root ? Result<void>{} : broken_log("its tiles lead to another root than its entries");
  });
}

}  // namespace sallyport::crash
