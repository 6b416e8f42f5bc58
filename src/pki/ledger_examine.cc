#include "pki/ledger_examine.h"

#include <algorithm>
#include <map>
#include <optional>

#include "codec/tlv.h"
#include "pki/detail/ledger_signature.h"

namespace sallyport::pki {
namespace {

struct RawExport {
  LedgerExport ledger;  // without entries that do not parse, and then not provable
  std::vector<std::optional<LedgerEntry>> entries;
  std::vector<std::string> faults;  // of the entries that do not parse
  std::vector<ByteView> certificates;
};

Result<RawExport> read_raw(ByteView exported) {
  if (exported.size() > kMaxLedgerExportBytes) return fail(Errc::malformed, "ledger export: too long");
  codec::TlvReader reader(exported, "ledger export");
  RawExport out;
  TRY(const auto site_text, reader.text(detail::LedgerExportField::site));
  TRY(out.ledger.site, parse_site_name(site_text));
  TRY(out.ledger.permit_number, reader.u64(detail::LedgerExportField::permit_number));
  TRY(const auto entries, reader.repeated(detail::LedgerExportField::entry, kMaxLedgerExportEntries));
  TRY(out.certificates, reader.repeated(detail::LedgerExportField::certificate_der, kMaxLedgerExportEntries));
  TRY(out.ledger.exported_at, reader.time(detail::LedgerExportField::exported_at));
  TRY(const ByteView signed_by, reader.bytes(detail::LedgerExportField::signature));
  TRY_VOID(reader.finish());
  out.ledger.signature = to_bytes(signed_by);
  for (const ByteView one : entries) {
    auto parsed = parse_ledger_entry(one);
    out.faults.push_back(parsed ? std::string() : parsed.error().detail);
    if (parsed) out.ledger.entries.push_back(*parsed);
    out.entries.push_back(parsed ? std::optional(*std::move(parsed)) : std::nullopt);
  }
  if (out.entries.empty()) return fail(Errc::malformed, "ledger export: no entries");
  return out;
}

class Examination {
 public:
  Examination(const RawExport& raw, const Certificate& site_ca, std::uint64_t after, std::string_view source)
      : raw_(raw), ca_(site_ca), source_(source), first_(after + 1) {}

  std::vector<LedgerFinding> run() {
    read_certificates();
    judge_places();
    judge_entries();
    judge_head();
    const auto order = [](const LedgerFinding& each) { return std::pair(each.sequence, each.fault); };
    std::ranges::sort(findings_, {}, order);
    const auto same = [&](const auto& a, const auto& b) { return order(a) == order(b); };
    findings_.erase(std::ranges::unique(findings_, same).begin(), findings_.end());
    for (LedgerFinding& each : findings_) {
      const auto place = places_.find(each.sequence);
      if (place != places_.end()) each.serial_id = raw_.entries[place->second]->serial_id.get();
    }
    return std::move(findings_);
  }

 private:
  void add(std::uint64_t sequence, LedgerFault fault, std::string detail) {
    findings_.push_back({fault, sequence, {}, std::string(source_), std::move(detail)});
  }

  void read_certificates() {
    for (std::size_t i = 0; i < raw_.certificates.size(); ++i) {
      auto parsed = parse_certificate(raw_.certificates[i]);
      const bool holds =
          parsed && ca_.public_key().verify(parsed->signature_scheme(), parsed->tbs(), parsed->signature());
      if (holds) certificates_.emplace(parsed->fingerprint(), *parsed);
      certificate_holds_.push_back(holds);
      certificate_digests_.push_back(crypto::sha256(raw_.certificates[i]));
    }
  }

  // Whether the entry at this place is the one of `wanted` with another number on it: those around it say so.
  bool says_another_sequence(std::size_t place, std::uint64_t wanted) const {
    if (raw_.entries[place]->sequence == wanted + 1) return false;
    if (place + 1 == raw_.entries.size()) {
      const std::uint64_t found = raw_.entries[place]->sequence;
      return places_.contains(found) || found >= first_ + std::max(raw_.entries.size(), raw_.certificates.size());
    }
    return raw_.entries[place + 1] && raw_.entries[place + 1]->sequence == wanted + 1;
  }

  // Where each entry says that it belongs, against where it stands.
  void judge_places() {
    std::uint64_t next = first_;
    for (std::size_t i = 0; i < raw_.entries.size(); ++i) {
      if (!raw_.entries[i]) {
        add(next, LedgerFault::altered, raw_.faults[i]);
        ++next;
        continue;
      }
      const std::uint64_t found = raw_.entries[i]->sequence;
      if (found != next && says_another_sequence(i, next)) {
        add(next, LedgerFault::altered, fmt::format("found an entry that says it is {}", found));
        places_.emplace(next++, i);
        continue;
      }
      if (!places_.emplace(found, i).second) {
        add(found, LedgerFault::fork, "found an entry with this sequence for the second time");
        continue;
      }
      if (found == next) {
        ++next;
      } else if (found < next) {
        add(found, LedgerFault::misplaced, fmt::format("found it after entry {}", next - 1));
      } else {
        jumps_.emplace_back(next, found);
        next = found + 1;
      }
    }
    for (const auto& [from, to] : jumps_) {
      if (to - from > kMaxLedgerExportEntries) {
        add(to, LedgerFault::altered, fmt::format("found sequence {} after {}", to, from - 1));
        continue;
      }
      for (std::uint64_t gone = from; gone < to; ++gone) {
        if (!places_.contains(gone)) add(gone, LedgerFault::gap, fmt::format("found entry {} after {}", to, from - 1));
      }
    }
    last_ = next - 1;
  }

  // Whether the certificate that this entry names, or one of the same serial, is there whole and says the same.
  bool agrees(const LedgerEntry& each) const {
    const auto found = certificates_.find(each.certificate);
    if (found == certificates_.end()) return false;
    const auto& names = found->second.extensions().alternative_names;
    return found->second.spki_sha256() == each.spki && found->second.serial() == each.certificate_serial && names &&
           names->dns.size() == 1 && names->dns.front().starts_with(each.serial_id.get() + ".");
  }

  void judge_entries() {
    bool is_head_signed = raw_.ledger.entries.size() == raw_.entries.size() && detail::is_signed_by(raw_.ledger, ca_);
    for (auto at = places_.rbegin(); at != places_.rend(); ++at) {
      const auto& [sequence, place] = *at;
      const LedgerEntry& each = *raw_.entries[place];
      const auto after = places_.find(sequence + 1);
      const bool is_proven = after == places_.end() ? sequence == last_ && is_head_signed
                                                    : raw_.entries[after->second]->previous == entry_hash(each);
      judge_entry(sequence, each, is_proven, after != places_.end() && is_whole(sequence + 1));
      whole_[sequence] = is_proven;
    }
    for (std::size_t i = 0; i < raw_.certificates.size(); ++i) judge_certificate(i);
  }

  bool is_whole(std::uint64_t sequence) const {
    const auto found = whole_.find(sequence);
    return found != whole_.end() && found->second;
  }

  void judge_entry(std::uint64_t sequence, const LedgerEntry& each, bool is_proven, bool next_is_whole) {
    if (!is_proven && next_is_whole) {
      add(sequence, LedgerFault::altered, "the entry after it names another hash");
    } else if (!is_proven && !agrees(each)) {
      add(sequence, LedgerFault::altered, "it is not what its certificate says");
    }
    // Where nothing proves the entry itself, the whole one before it does.
    const auto before = places_.find(sequence - 1);
    if (!is_proven && before != places_.end()) {
      const LedgerEntry& earlier = *raw_.entries[before->second];
      if (each.previous != entry_hash(earlier) && agrees(earlier))
        add(sequence, LedgerFault::altered, "it does not name the entry before it");
    }
    if (sequence == 1 && each.previous != Sha256Digest{})
      add(sequence, LedgerFault::altered, "it names an entry before the first");
  }

  void judge_certificate(std::size_t i) {
    if (certificate_holds_[i]) {
      const bool is_named = std::ranges::any_of(
          raw_.entries, [&](const auto& each) { return each && each->certificate == certificate_digests_[i]; });
      const auto owner = places_.find(first_ + i);
      if (!is_named && owner != places_.end())
        add(owner->first, LedgerFault::altered, "it names another certificate than its own");
      return;
    }
    // Whose it was: the entry that stands at its place.
    const auto& entry_there = i < raw_.entries.size() ? raw_.entries[i] : std::nullopt;
    add(entry_there ? entry_there->sequence : first_ + i, LedgerFault::wrong_certificate,
        "its certificate is not signed by the site's CA");
  }

  void judge_head() {
    if (raw_.certificates.size() > raw_.entries.size()) {
      if (!named()) add(last_ + 1, LedgerFault::gap, "found a certificate more than entries");
    } else if (raw_.certificates.size() < raw_.entries.size()) {
      for (const auto& [sequence, place] : places_) {
        if (!agrees(*raw_.entries[place])) add(sequence, LedgerFault::gap, "its certificate is not there");
      }
    }
    if (raw_.ledger.entries.size() == raw_.entries.size() && detail::is_signed_by(raw_.ledger, ca_)) {
      judge_order_of_certificates();
      return;
    }
    if (!named()) {
      // Nothing tells the two apart: the entry says nothing wrong of itself, and the head that was signed is not its
      // own.
      add(last_, LedgerFault::altered,
          "the head that was signed is another: it was altered, or what came after it was removed");
      add(last_ + 1, LedgerFault::gap, fmt::format("the head that was signed is not that of entry {}", last_));
    }
    add(0, LedgerFault::bad_signature, "the signature of the site's CA is not over this head");
  }

  void judge_order_of_certificates() {
    if (named()) return;
    for (std::size_t i = 0; i < std::min(raw_.entries.size(), raw_.certificates.size()); ++i) {
      if (raw_.entries[i] && raw_.entries[i]->certificate != certificate_digests_[i]) {
        add(raw_.entries[i]->sequence, LedgerFault::misplaced, "another entry's certificate stands at its place");
      }
    }
  }

  bool named() const {
    return std::ranges::any_of(findings_, [](const LedgerFinding& each) { return each.sequence != 0; });
  }

  const RawExport& raw_;
  const Certificate& ca_;
  std::string_view source_;
  std::map<Sha256Digest, Certificate> certificates_;  // those that hold, by SHA-256
  std::vector<bool> certificate_holds_;
  std::vector<Sha256Digest> certificate_digests_;
  std::map<std::uint64_t, std::size_t> places_;  // by sequence: where it stands
  std::vector<std::pair<std::uint64_t, std::uint64_t>> jumps_;
  std::map<std::uint64_t, bool> whole_;
  std::uint64_t first_;
  std::uint64_t last_ = 0;
  std::vector<LedgerFinding> findings_;
};

}  // namespace

Result<std::vector<LedgerFinding>> examine_ledger(ByteView exported, const Certificate& site_ca,
                                                  std::optional<std::uint64_t> after, std::string_view source) {
  TRY(const auto raw, read_raw(exported));
  const auto& first = raw.entries.front();
  return Examination(raw, site_ca, after.value_or(first ? first->sequence - 1 : 0), source).run();
}

}  // namespace sallyport::pki
