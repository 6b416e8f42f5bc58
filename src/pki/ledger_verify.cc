#include <unordered_set>

#include "pki/detail/ledger_signature.h"
#include "pki/detail/rules.h"
#include "pki/ledger.h"

namespace sallyport::pki {
namespace {

using Refused = std::unexpected<LedgerRefusal>;
using Check = std::expected<void, LedgerRefusal>;

Errc errc_of(LedgerFault fault) {
  switch (fault) {
    case LedgerFault::malformed:
      return Errc::malformed;
    case LedgerFault::gap:
      return Errc::not_yet;
    case LedgerFault::fork:
    case LedgerFault::stale:
    case LedgerFault::reused_serial:
      return Errc::conflict;
    default:
      return Errc::unauthorized;
  }
}

Refused refuse(LedgerFault fault, std::uint64_t sequence, std::string_view what) {
  return Refused(
      LedgerRefusal{fault, sequence, Error{errc_of(fault), fmt::format("ledger entry {}: {}", sequence, what)}});
}

// The judgement of one export, entry by entry.
class LedgerCheck {
 public:
  LedgerCheck(const LedgerExport& ledger, const LedgerContext& context) : ledger_(ledger), context_(context) {}

  std::expected<AcceptedEntries, LedgerRefusal> run() {
    if (auto ok = check_whole(); !ok) return Refused(std::move(ok).error());
    if (auto ok = check_chain(); !ok) return Refused(std::move(ok).error());
    AcceptedEntries out;
    out.head = context_.accepted;
    for (std::size_t i = 0; i < ledger_.entries.size(); ++i) {
      const LedgerEntry& entry = ledger_.entries[i];
      if (entry.sequence <= context_.accepted.sequence) continue;
      if (auto ok = check_permit(entry, i == 0 ? nullptr : &ledger_.entries[i - 1]); !ok)
        return Refused(std::move(ok).error());
      auto certificate = check_certificate(entry, ledger_.certificates[i]);
      if (!certificate) return Refused(std::move(certificate).error());
      out.entries.push_back(entry);
      out.certificates.push_back(*std::move(certificate));
      out.head = {.sequence = entry.sequence, .hash = entry_hash(entry)};
    }
    return out;
  }

 private:
  Check check_whole() const {
    if (ledger_.entries.empty() || ledger_.entries.size() != ledger_.certificates.size()) {
      return refuse(LedgerFault::malformed, 0, "no entries, or not one certificate for each");
    }
    const auto tree = detail::permitted_subtrees(context_.site_ca);
    const bool own_ca = tree.size() == 1 && tree[0] == context_.permit.name_space.get();
    if (ledger_.site != context_.permit.site || !own_ca) return refuse(LedgerFault::foreign_site, 0, "another site's");
    if (ledger_.permit_number > context_.permit.number)
      return refuse(LedgerFault::foreign_site, 0, "under a permit that is not known");
    if (!detail::is_signed_by(ledger_, context_.site_ca))
      return refuse(LedgerFault::bad_signature, 0, "head not signed by the site's CA");
    return {};
  }

  // Consecutive, each naming the one before, and continuing what was accepted.
  Check check_chain() const {
    const LedgerHead& accepted = context_.accepted;
    const LedgerEntry& first = ledger_.entries.front();
    if (first.sequence > accepted.sequence + 1)
      return refuse(LedgerFault::gap, first.sequence, fmt::format("comes after {}", accepted.sequence));
    if (ledger_.entries.back().sequence < accepted.sequence) {
      return refuse(LedgerFault::stale, ledger_.entries.back().sequence,
                    fmt::format("is the last, {} was accepted before", accepted.sequence));
    }
    if (first.sequence == accepted.sequence + 1 && first.previous != accepted.hash) {
      return refuse(LedgerFault::fork, first.sequence, "does not continue what was accepted");
    }
    if (first.sequence == 1 && first.previous != Sha256Digest{})
      return refuse(LedgerFault::fork, 1, "names an entry before the first");
    for (std::size_t i = 0; i < ledger_.entries.size(); ++i) {
      const LedgerEntry& entry = ledger_.entries[i];
      if (entry.sequence == accepted.sequence && entry_hash(entry) != accepted.hash) {
        return refuse(LedgerFault::fork, entry.sequence, "is not the one accepted before");
      }
      if (i == 0) continue;
      const LedgerEntry& before = ledger_.entries[i - 1];
      if (entry.sequence != before.sequence + 1)
        return refuse(LedgerFault::gap, entry.sequence, fmt::format("comes after {}", before.sequence));
      if (entry.previous != entry_hash(before))
        return refuse(LedgerFault::fork, entry.sequence, "does not name the one before");
    }
    return {};
  }

  Check check_permit(const LedgerEntry& entry, const LedgerEntry* before) {
    const SitePermit& permit = context_.permit;
    if (entry.sequence > permit.count) {
      return refuse(LedgerFault::over_production, entry.sequence, fmt::format("the permit allows {}", permit.count));
    }
    if (permit.serial_prefix && !entry.serial_id.get().starts_with(*permit.serial_prefix)) {
      return refuse(LedgerFault::foreign_namespace, entry.sequence, "serial id without the permit's prefix");
    }
    const bool in_time = entry.issued_at >= permit.not_before && entry.issued_at <= permit.not_after;
    if (!in_time || (before != nullptr && entry.issued_at < before->issued_at)) {
      return refuse(LedgerFault::outside_permit, entry.sequence, fmt::format("issued {}", to_iso8601(entry.issued_at)));
    }
    const bool new_id =
        serial_ids_.insert(entry.serial_id).second && !(context_.is_known && context_.is_known(entry.serial_id));
    if (!new_id || !certificate_serials_.insert(entry.certificate_serial).second) {
      return refuse(LedgerFault::reused_serial, entry.sequence,
                    "a serial id or certificate serial for the second time");
    }
    return {};
  }

  std::expected<Certificate, LedgerRefusal> check_certificate(const LedgerEntry& entry, ByteView der) const {
    const auto wrong = [&](std::string_view what) {
      return refuse(LedgerFault::wrong_certificate, entry.sequence, what);
    };
    auto certificate = parse_certificate(der);
    if (!certificate) return wrong(certificate.error().detail);
    if (certificate->fingerprint() != entry.certificate) return wrong("another certificate than the entry names");
    if (certificate->spki_sha256() != entry.spki) return wrong("another key than the entry names");
    if (!(certificate->serial() == entry.certificate_serial)) return wrong("another serial than the entry names");
    const Certificate& ca = context_.site_ca;
    if (!ca.public_key().verify(certificate->signature_scheme(), certificate->tbs(), certificate->signature())) {
      return wrong("not signed by the site's CA");
    }
    const auto& names = certificate->extensions().alternative_names;
    const std::string wanted = entry.serial_id.get() + "." + context_.permit.name_space.get();
    if (!names || names->dns.size() != 1 || names->dns[0] != wanted) {
      return refuse(LedgerFault::foreign_namespace, entry.sequence,
                    "a certificate with another name than the entry's in the permit's namespace");
    }
    if (auto ok = detail::check_profile(profile(ProfileId::factory_device), *certificate, &ca); !ok) {
      return wrong(ok.error().error.detail);
    }
    return *std::move(certificate);
  }

  const LedgerExport& ledger_;
  const LedgerContext& context_;
  std::unordered_set<SerialId> serial_ids_;
  std::unordered_set<SerialNumber> certificate_serials_;
};

}  // namespace

std::string_view to_string(LedgerFault fault) {
  static constexpr std::array<std::string_view, 11> kNames = {
      "malformed",      "bad_signature",   "foreign_site",      "gap",           "fork",
      "stale",          "over_production", "foreign_namespace", "reused_serial", "wrong_certificate",
      "outside_permit",
  };
  return kNames[static_cast<std::size_t>(fault)];
}

std::expected<AcceptedEntries, LedgerRefusal> verify_ledger(const LedgerExport& ledger, const LedgerContext& context) {
  return LedgerCheck(ledger, context).run();
}

}  // namespace sallyport::pki
