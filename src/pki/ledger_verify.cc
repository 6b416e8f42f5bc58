#include "pki/detail/ledger_rules.h"

namespace sallyport::pki {
namespace {

using detail::refuse_entry;
using Refused = detail::LedgerRefused;
using Check = detail::LedgerCheck;

// The judgement of one export, entry by entry.
class ImportCheck {
 public:
  ImportCheck(const LedgerExport& ledger, const LedgerContext& context) : ledger_(ledger), context_(context) {}

  std::expected<AcceptedEntries, LedgerRefusal> run() {
    if (auto ok = detail::check_export(ledger_, context_.site_ca, context_.permit); !ok)
      return Refused(std::move(ok).error());
    if (auto ok = check_chain(); !ok) return Refused(std::move(ok).error());
    AcceptedEntries out;
    out.head = context_.accepted;
    for (std::size_t i = 0; i < ledger_.entries.size(); ++i) {
      const LedgerEntry& entry = ledger_.entries[i];
      if (entry.sequence <= context_.accepted.sequence) continue;
      auto certificate = check_entry(i);
      if (!certificate) return Refused(std::move(certificate).error());
      out.entries.push_back(entry);
      out.certificates.push_back(*std::move(certificate));
      out.head = {.sequence = entry.sequence, .hash = entry_hash(entry)};
    }
    return out;
  }

 private:
  // Consecutive, each naming the one before, and continuing what was accepted.
  Check check_chain() const {
    const LedgerHead& accepted = context_.accepted;
    const LedgerEntry& first = ledger_.entries.front();
    if (first.sequence > accepted.sequence + 1)
      return refuse_entry(LedgerFault::gap, first, fmt::format("comes after {}", accepted.sequence));
    if (ledger_.entries.back().sequence < accepted.sequence) {
      return refuse_entry(LedgerFault::stale, ledger_.entries.back(),
                          fmt::format("is the last, {} was accepted before", accepted.sequence));
    }
    if (first.sequence == accepted.sequence + 1 && first.previous != accepted.hash) {
      return refuse_entry(LedgerFault::fork, first, "does not continue what was accepted");
    }
    if (first.sequence == 1 && first.previous != Sha256Digest{})
      return refuse_entry(LedgerFault::fork, first, "names an entry before the first");
    for (std::size_t i = 0; i < ledger_.entries.size(); ++i) {
      const LedgerEntry& entry = ledger_.entries[i];
      if (entry.sequence == accepted.sequence && entry_hash(entry) != accepted.hash) {
        return refuse_entry(LedgerFault::fork, entry, "is not the one accepted before");
      }
      if (i == 0) continue;
      const LedgerEntry& before = ledger_.entries[i - 1];
      if (entry.sequence != before.sequence + 1)
        return refuse_entry(LedgerFault::gap, entry, fmt::format("comes after {}", before.sequence));
      if (entry.previous != entry_hash(before))
        return refuse_entry(LedgerFault::fork, entry, "does not name the one before");
    }
    return {};
  }

  std::expected<Certificate, LedgerRefusal> check_entry(std::size_t index) {
    const LedgerEntry& entry = ledger_.entries[index];
    const LedgerEntry* before = index == 0 ? nullptr : &ledger_.entries[index - 1];
    if (before == nullptr && context_.accepted_at && entry.issued_at < *context_.accepted_at) {
      return refuse_entry(
          LedgerFault::outside_permit, entry,
          fmt::format("issued {}, before the entry that was accepted last", to_iso8601(entry.issued_at)));
    }
    if (auto ok = detail::check_permitted(entry, before, context_.permit); !ok) return Refused(std::move(ok).error());
    if (auto ok = uniqueness_.take(entry); !ok) return Refused(std::move(ok).error());
    if (auto ok = check_known(entry); !ok) return Refused(std::move(ok).error());
    return detail::check_entry_certificate(entry, ledger_.certificates[index], context_.site_ca, context_.permit);
  }

  // Whether an earlier export had serial id, certificate serial or key.
  Check check_known(const LedgerEntry& entry) const {
    const auto serial_id = ask(context_.is_known, entry.serial_id);
    const auto serial = ask(context_.is_known_serial, entry.certificate_serial);
    const auto key = ask(context_.is_known_key, entry.spki);
    for (const Result<bool>* answer : {&serial_id, &serial, &key}) {
      if (*answer) continue;
      return Refused(LedgerRefusal{LedgerFault::unread, entry.sequence, entry.serial_id.get(), answer->error()});
    }
    if (*serial_id) return refuse_entry(LedgerFault::reused_serial, entry, "a serial id that an earlier entry has");
    if (*serial)
      return refuse_entry(LedgerFault::reused_serial, entry, "a certificate serial that an earlier entry has");
    if (*key) return refuse_entry(LedgerFault::reused_key, entry, "a key that an earlier entry has");
    return {};
  }

  template <class What>
  static Result<bool> ask(const std::function<Result<bool>(const What&)>& is_known, const What& what) {
    return is_known ? is_known(what) : Result<bool>(false);
  }

  const LedgerExport& ledger_;
  const LedgerContext& context_;
  detail::LedgerUniqueness uniqueness_;
};

}  // namespace

std::string_view to_string(LedgerFault fault) {
  static constexpr std::array<std::string_view, 15> kNames = {
      "malformed",      "bad_signature",   "foreign_site",      "gap",           "fork",
      "stale",          "over_production", "foreign_namespace", "reused_serial", "wrong_certificate",
      "outside_permit", "reused_key",      "altered",           "misplaced",     "unread",
  };
  return kNames[static_cast<std::size_t>(fault)];
}

std::expected<AcceptedEntries, LedgerRefusal> verify_ledger(const LedgerExport& ledger, const LedgerContext& context) {
  return ImportCheck(ledger, context).run();
}

}  // namespace sallyport::pki
