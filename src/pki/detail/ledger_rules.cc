#include "pki/detail/ledger_rules.h"

#include "pki/detail/ledger_signature.h"
#include "pki/detail/rules.h"

namespace sallyport::pki::detail {
namespace {

Errc errc_of(LedgerFault fault) {
  switch (fault) {
    case LedgerFault::malformed:
      return Errc::malformed;
    case LedgerFault::gap:
      return Errc::not_yet;
    case LedgerFault::fork:
    case LedgerFault::stale:
    case LedgerFault::reused_serial:
    case LedgerFault::reused_key:
      return Errc::conflict;
    default:
      return Errc::unauthorized;
  }
}

}  // namespace

LedgerRefused refuse_ledger(LedgerFault fault, std::string_view what) {
  return LedgerRefused(LedgerRefusal{fault, 0, {}, Error{errc_of(fault), fmt::format("ledger: {}", what)}});
}

LedgerRefused refuse_entry(LedgerFault fault, const LedgerEntry& entry, std::string_view what) {
  return LedgerRefused(LedgerRefusal{fault, entry.sequence, entry.serial_id.get(),
                                     Error{errc_of(fault), fmt::format("ledger entry {}: {}", entry.sequence, what)}});
}

LedgerCheck check_export(const LedgerExport& ledger, const Certificate& site_ca, const SitePermit& permit) {
  if (ledger.entries.empty() || ledger.entries.size() != ledger.certificates.size()) {
    return refuse_ledger(LedgerFault::malformed, "no entries, or not one certificate for each");
  }
  const auto tree = permitted_subtrees(site_ca);
  const bool own_ca = tree.size() == 1 && tree[0] == permit.name_space.get();
  if (ledger.site != permit.site || !own_ca) return refuse_ledger(LedgerFault::foreign_site, "another site's");
  if (ledger.permit_number > permit.number)
    return refuse_ledger(LedgerFault::foreign_site, "under a permit that is not known");
  if (!is_signed_by(ledger, site_ca))
    return refuse_ledger(LedgerFault::bad_signature, "head not signed by the site's CA");
  return {};
}

LedgerCheck check_permitted(const LedgerEntry& entry, const LedgerEntry* before, const SitePermit& permit) {
  if (entry.sequence > permit.count) {
    return refuse_entry(LedgerFault::over_production, entry, fmt::format("the permit allows {}", permit.count));
  }
  if (permit.serial_prefix && !entry.serial_id.get().starts_with(*permit.serial_prefix)) {
    return refuse_entry(LedgerFault::foreign_namespace, entry, "serial id without the permit's prefix");
  }
  const bool in_time = entry.issued_at >= permit.not_before && entry.issued_at <= permit.not_after;
  if (!in_time || (before != nullptr && entry.issued_at < before->issued_at)) {
    return refuse_entry(LedgerFault::outside_permit, entry, fmt::format("issued {}", to_iso8601(entry.issued_at)));
  }
  return {};
}

std::expected<Certificate, LedgerRefusal> check_entry_certificate(const LedgerEntry& entry, ByteView der,
                                                                  const Certificate& site_ca,
                                                                  const SitePermit& permit) {
  const auto wrong = [&](std::string_view what) { return refuse_entry(LedgerFault::wrong_certificate, entry, what); };
  auto certificate = parse_certificate(der);
  if (!certificate) return wrong(certificate.error().detail);
  if (certificate->fingerprint() != entry.certificate) return wrong("another certificate than the entry names");
  if (certificate->spki_sha256() != entry.spki) return wrong("another key than the entry names");
  if (!(certificate->serial() == entry.certificate_serial)) return wrong("another serial than the entry names");
  if (!site_ca.public_key().verify(certificate->signature_scheme(), certificate->tbs(), certificate->signature())) {
    return wrong("not signed by the site's CA");
  }
  const auto& names = certificate->extensions().alternative_names;
  const std::string wanted = entry.serial_id.get() + "." + permit.name_space.get();
  if (!names || names->dns.size() != 1 || names->dns[0] != wanted) {
    return refuse_entry(LedgerFault::foreign_namespace, entry,
                        "a certificate with another name than the entry's in the permit's namespace");
  }
  if (auto ok = check_profile(profile(ProfileId::factory_device), *certificate, &site_ca); !ok) {
    return wrong(ok.error().error.detail);
  }
  return *std::move(certificate);
}

LedgerCheck LedgerUniqueness::take(const LedgerEntry& entry) {
  if (!serial_ids_.insert(entry.serial_id).second)
    return refuse_entry(LedgerFault::reused_serial, entry, "a serial id for the second time");
  if (!certificate_serials_.insert(entry.certificate_serial).second)
    return refuse_entry(LedgerFault::reused_serial, entry, "a certificate serial for the second time");
  if (!keys_.insert(entry.spki).second)
    return refuse_entry(LedgerFault::reused_key, entry, "a key for the second time");
  return {};
}

}  // namespace sallyport::pki::detail
