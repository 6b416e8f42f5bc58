#include "pki/ledger_reconcile.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "pki/detail/ledger_rules.h"

namespace sallyport::pki {
namespace {

// One entry and where it was read.
struct Seen {
  const LedgerEntry* entry = nullptr;
  const Bytes* certificate = nullptr;
  std::string_view source;
};

class Reconciliation {
 public:
  explicit Reconciliation(const ReconcileContext& context) : context_(context) {}

  std::vector<LedgerFinding> run(std::span<const LedgerSource> sources) {
    for (const LedgerSource& source : sources) collect(source);
    check_chain();
    for (const auto& [sequence, seen] : entries_) check_entry(seen);
    if (!entries_.empty()) {
      check_accepted();
      check_white_list();
    }
    std::ranges::sort(findings_, {},
                      [](const LedgerFinding& one) { return std::tie(one.sequence, one.fault, one.source); });
    return std::move(findings_);
  }

 private:
  void report(LedgerFinding finding) {
    if (findings_.size() < kMaxLedgerFindings) findings_.push_back(std::move(finding));
  }
  void report(const LedgerRefusal& refusal, std::string_view source) {
    report({refusal.fault, refusal.sequence, refusal.serial_id, std::string(source), refusal.error.detail});
  }
  void report(LedgerFault fault, const Seen& seen, std::string detail) {
    report({fault, seen.entry->sequence, seen.entry->serial_id.get(), std::string(seen.source), std::move(detail)});
  }

  void collect(const LedgerSource& source) {
    if (auto ok = detail::check_export(source.ledger, context_.site_ca, context_.permit); !ok) {
      return report(ok.error(), source.name);
    }
    for (std::size_t i = 0; i < source.ledger.entries.size(); ++i) {
      const Seen seen{&source.ledger.entries[i], &source.ledger.certificates[i], source.name};
      const auto [at, is_new] = entries_.try_emplace(seen.entry->sequence, seen);
      if (is_new || *at->second.entry == *seen.entry) continue;
      report(LedgerFault::fork, seen,
             fmt::format("two entries of this sequence: {} in {}, {} in {}", at->second.entry->serial_id.get(),
                         at->second.source, seen.entry->serial_id.get(), seen.source));
    }
  }

  void check_chain() {
    const Seen* before = nullptr;
    for (const auto& [sequence, seen] : entries_) {
      const std::uint64_t wanted = before == nullptr ? first_wanted() : before->entry->sequence + 1;
      if (sequence > wanted) {
        const auto missing = sequence - wanted;
        report({LedgerFault::gap,
                wanted,
                {},
                {},
                missing == 1 ? fmt::format("entry {} is in no export", wanted)
                             : fmt::format("entries {} to {} are in no export", wanted, sequence - 1)});
      } else if (before != nullptr && seen.entry->previous != entry_hash(*before->entry)) {
        report(LedgerFault::fork, seen, fmt::format("does not name entry {} as the one before", sequence - 1));
      }
      before = &seen;
    }
  }
  // Exports need not repeat what was accepted.
  std::uint64_t first_wanted() const { return std::min(context_.accepted.sequence + 1, entries_.begin()->first); }

  void check_entry(const Seen& seen) {
    const auto before = entries_.find(seen.entry->sequence - 1);
    const LedgerEntry* earlier = before == entries_.end() ? nullptr : before->second.entry;
    if (auto ok = detail::check_permitted(*seen.entry, earlier, context_.permit); !ok) report(ok.error(), seen.source);
    if (auto ok = uniqueness_.take(*seen.entry); !ok) report(ok.error(), seen.source);
    auto certificate =
        detail::check_entry_certificate(*seen.entry, *seen.certificate, context_.site_ca, context_.permit);
    if (!certificate) report(certificate.error(), seen.source);
  }

  void check_accepted() {
    const LedgerHead& accepted = context_.accepted;
    if (accepted.sequence == 0) return;
    const auto head = entries_.find(accepted.sequence);
    if (head != entries_.end() && entry_hash(*head->second.entry) != accepted.hash) {
      report(LedgerFault::fork, head->second, "is not the entry that was accepted");
    }
    const auto next = entries_.find(accepted.sequence + 1);
    if (next != entries_.end() && next->second.entry->previous != accepted.hash) {
      report(LedgerFault::fork, next->second, "does not continue what was accepted");
    }
    const auto& last = entries_.rbegin()->second;
    if (last.entry->sequence < accepted.sequence) {
      report(LedgerFault::stale, last, fmt::format("is the last, {} were accepted: an old backup?", accepted.sequence));
    }
  }

  void check_white_list() {
    std::map<std::string_view, const Seen*> by_serial_id;
    for (const auto& [sequence, seen] : entries_) by_serial_id.emplace(seen.entry->serial_id.get(), &seen);
    const bool goes_back = entries_.begin()->first == 1 && entries_.rbegin()->first >= context_.accepted.sequence;
    for (const WhiteListEntry& device : context_.white_list) {
      const auto found = by_serial_id.find(device.serial_id.get());
      if (found == by_serial_id.end()) {
        if (!goes_back) continue;
        report({LedgerFault::fork, 0, device.serial_id.get(), {}, "was accepted, and is in no export now"});
        continue;
      }
      const LedgerEntry& entry = *found->second->entry;
      if (entry.certificate_serial == device.certificate_serial && entry.spki == device.spki) continue;
      report(LedgerFault::fork, *found->second, "another certificate of this serial id was accepted");
    }
  }

  const ReconcileContext& context_;
  std::map<std::uint64_t, Seen> entries_;
  detail::LedgerUniqueness uniqueness_;
  std::vector<LedgerFinding> findings_;
};

}  // namespace

std::vector<LedgerFinding> reconcile_ledgers(std::span<const LedgerSource> sources, const ReconcileContext& context) {
  return Reconciliation(context).run(sources);
}

}  // namespace sallyport::pki
