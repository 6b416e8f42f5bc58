#include <algorithm>

#include "pki/crl.h"
#include "pki/detail/algorithm.h"
#include "pki/detail/crl_state.h"
#include "pki/detail/distribution_points.h"
#include "pki/detail/extension_reader.h"
#include "pki/detail/more_oids.h"
#include "pki/detail/names.h"
#include "pki/oids.h"

namespace sallyport::pki {
namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::uint64_t kListVersion2 = 1;
constexpr std::size_t kMaxForeignIssuers = 1'000;

// How much of RFC 5280 §5 is accepted.
enum class Scope : std::uint8_t { own, foreign };

struct EntryExtensions {
  std::optional<DistinguishedName> certificate_issuer;
  bool has_reason = false;
};

Result<void> read_reason(ByteView extension, EntryExtensions& found, RevokedEntry& entry) {
  if (found.has_reason) return fail(Errc::malformed, "entry: a reason twice");
  found.has_reason = true;
  TRY(const der::Reader value, der::enter_only(extension, Tag::enumerated, "reason code"));
  if (value.rest().size() != 1) return fail(Errc::malformed, "entry: reason code out of range");
  TRY(entry.reason, parse_revocation_reason(value.rest()[0]));
  return {};
}

// RFC 5280 §5.3.3
Result<void> read_certificate_issuer(const detail::RawExtension& extension, EntryExtensions& found) {
  if (!extension.critical) return fail(Errc::malformed, "entry: certificate issuer that is not critical");
  if (found.certificate_issuer) return fail(Errc::malformed, "entry: a certificate issuer twice");
  TRY(const der::Reader value, der::enter_only(extension.value, Tag::sequence, "certificate issuer"));
  TRY(const AlternativeNames names, detail::parse_general_names(value));
  if (names.directory.size() != 1) return fail(Errc::malformed, "entry: certificate issuer without one directory name");
  found.certificate_issuer = names.directory.front();
  return {};
}

Result<EntryExtensions> read_entry_extensions(der::Reader reader, Scope scope, RevokedEntry& entry) {
  if (reader.at_end()) return fail(Errc::malformed, "entry: empty extensions");
  EntryExtensions found;
  while (!reader.at_end()) {
    TRY(const detail::RawExtension extension, detail::read_extension(reader));
    if (extension.oid == oid::reason_code) {
      TRY_VOID(read_reason(extension.value, found, entry));
    } else if (extension.oid == oid::certificate_issuer && scope == Scope::foreign) {
      TRY_VOID(read_certificate_issuer(extension, found));
    } else if (extension.critical) {
      return failf(Errc::malformed, "entry: unknown critical extension {}", extension.oid.dotted());
    }
  }
  return found;
}

// Reads the entries of a list and remembers whose certificates they are about: the CRL issuer's, until one names
// another, to whom all that follow belong too (§5.3.3).
class EntryReader {
 public:
  EntryReader(Scope scope, Crl::State& out) : scope_(scope), out_(out) {}

  Result<void> read_all(der::Reader list) {
    if (list.at_end()) return fail(Errc::malformed, "an empty list of entries, want it absent");
    while (!list.at_end()) {
      if (out_.entries.size() + out_.foreign.size() >= kMaxCrlEntries)
        return failf(Errc::malformed, "over {} entries", kMaxCrlEntries);
      TRY_VOID(read_one(list));
    }
    if (sorted_) return {};
    std::ranges::sort(out_.entries, {}, &RevokedEntry::serial);
    const auto twice = std::ranges::adjacent_find(out_.entries, {}, &RevokedEntry::serial);
    if (twice != out_.entries.end()) return failf(Errc::malformed, "serial {} twice", twice->serial.hex());
    return {};
  }

 private:
  // SEQUENCE { userCertificate INTEGER, revocationDate Time, crlEntryExtensions OPTIONAL }
  Result<void> read_one(der::Reader& list) {
    TRY(der::Reader reader, list.sequence());
    RevokedEntry entry;
    TRY(const ByteView serial, reader.integer());
    TRY(entry.serial, SerialNumber::from_content(serial));
    TRY(entry.revoked_at, reader.time());
    if (!reader.at_end()) {
      TRY(const der::Reader extensions, reader.sequence());
      TRY(EntryExtensions found, read_entry_extensions(extensions, scope_, entry));
      if (found.certificate_issuer) {
        TRY_VOID(turn_to(*std::move(found.certificate_issuer)));
      }
    }
    TRY_VOID(reader.finish("entry"));
    if (is_foreign_) {
      out_.foreign.push_back({.issuer = out_.foreign_issuers.size() - 1, .entry = entry});
      return {};
    }
    sorted_ = sorted_ && (out_.entries.empty() || out_.entries.back().serial < entry.serial);
    out_.entries.push_back(entry);
    return {};
  }

  Result<void> turn_to(DistinguishedName issuer) {
    is_foreign_ = !issuer.matches(out_.issuer);
    if (!is_foreign_) return {};
    if (out_.foreign_issuers.size() >= kMaxForeignIssuers)
      return failf(Errc::malformed, "over {} certificate issuers", kMaxForeignIssuers);
    out_.foreign_issuers.push_back(std::move(issuer));
    return {};
  }

  Scope scope_;
  Crl::State& out_;
  bool is_foreign_ = false;
  bool sorted_ = true;
};

Result<std::uint64_t> read_number(ByteView value) {
  der::Reader reader(value);
  TRY(const std::uint64_t number, reader.small_unsigned());
  TRY_VOID(reader.finish("number"));
  return number;
}

Result<bool> read_flag(der::Reader& reader, unsigned tag) {
  TRY(const auto field, reader.optional(der::context_primitive(tag)));
  if (!field) return false;
  if (field->content.size() != 1 || field->content[0] != 0xFF)
    return fail(Errc::malformed, "a flag that is not TRUE, its default being FALSE");
  return true;
}

// IssuingDistributionPoint := SEQUENCE { [0] name, [1] onlyContainsUserCerts, [2] onlyContainsCACerts, [3]
// onlySomeReasons, [4] indirectCRL, [5] onlyContainsAttributeCerts }
Result<IssuingDistributionPoint> read_issuing_point(ByteView value) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  IssuingDistributionPoint out;
  TRY(const auto name, reader.optional(der::context_constructed(0)));
  if (name) {
    TRY(out.name, detail::read_distribution_point_name(name->content));
  }
  TRY(out.only_user_certificates, read_flag(reader, 1));
  TRY(out.only_ca_certificates, read_flag(reader, 2));
  TRY(const auto reasons, reader.optional(der::context_primitive(3)));
  if (reasons) {
    TRY(out.reasons, detail::read_reasons(reasons->content));
  }
  TRY(out.indirect, read_flag(reader, 4));
  TRY(out.only_attribute_certificates, read_flag(reader, 5));
  TRY_VOID(reader.finish("value"));
  const int kinds =
      int{out.only_user_certificates} + int{out.only_ca_certificates} + int{out.only_attribute_certificates};
  if (kinds > 1) return fail(Errc::malformed, "only one kind of certificates, and only another");
  return out;
}

Result<void> read_list_extension(const detail::RawExtension& extension, Scope scope, Crl::State& out) {
  if (extension.oid == oid::crl_number) {
    if (extension.critical && scope == Scope::foreign) return fail(Errc::malformed, "CRL number that is critical");
    TRY(out.number, read_number(extension.value));
  } else if (extension.oid == oid::delta_crl_indicator) {
    if (!extension.critical) return fail(Errc::malformed, "delta indicator that is not critical");
    TRY(out.delta_base, read_number(extension.value));
  } else if (extension.oid == oid::authority_key_identifier) {
    TRY(der::Reader value, der::enter_only(extension.value, Tag::sequence, "authority key identifier"));
    TRY(const auto id, value.optional(der::context_primitive(0)));
    if (id) out.authority_key_id = to_bytes(id->content);
  } else if (extension.oid == oid::issuing_distribution_point && scope == Scope::foreign) {
    if (!extension.critical) return fail(Errc::malformed, "issuing distribution point that is not critical");
    TRY(out.distribution_point, read_issuing_point(extension.value));
  } else if (extension.critical) {
    return failf(Errc::malformed, "unknown critical extension {}", extension.oid.dotted());
  }
  return {};
}

Result<void> read_list_extensions(der::Reader reader, Scope scope, Crl::State& out) {
  std::vector<Oid> seen;
  while (!reader.at_end()) {
    if (seen.size() >= kMaxExtensions) return failf(Errc::malformed, "over {} extensions", kMaxExtensions);
    TRY(const detail::RawExtension extension, detail::read_extension(reader));
    if (std::ranges::find(seen, extension.oid) != seen.end())
      return failf(Errc::malformed, "extension {} twice", extension.oid.dotted());
    seen.push_back(extension.oid);
    TRY_VOID(read_list_extension(extension, scope, out));
  }
  if (!out.number) return fail(Errc::malformed, "no CRL number");
  const bool is_indirect = out.distribution_point && out.distribution_point->indirect;
  if (!out.foreign.empty() && !is_indirect)
    return fail(Errc::malformed, "entries of another issuer in a list that is not indirect");
  return {};
}

// TBSCertList := version, signature, issuer, thisUpdate, nextUpdate, revokedCertificates OPTIONAL, [0] crlExtensions
// (§5.1)
Result<void> read_tbs(const detail::SignedParts& parts, Scope scope, Crl::State& out) {
  der::Reader tbs(parts.tbs.content);
  TRY(const std::uint64_t version, tbs.small_unsigned());
  if (version != kListVersion2) return failf(Errc::malformed, "version field {}, want 1", version);
  TRY(const der::Element algorithm, tbs.element(Tag::sequence));
  if (!equal(algorithm.whole, parts.algorithm))
    return fail(Errc::malformed, "inner and outer signature algorithm differ");
  TRY(const der::Element name, tbs.element(Tag::sequence));
  TRY(out.issuer, DistinguishedName::parse(name.whole));
  TRY(out.this_update, tbs.time());
  TRY(out.next_update, tbs.time());
  if (out.next_update < out.this_update) return fail(Errc::malformed, "nextUpdate before thisUpdate");
  TRY(const auto entries, tbs.optional(Tag::sequence));
  if (entries) TRY_VOID(EntryReader(scope, out).read_all(der::Reader(entries->content)));
  TRY(const der::Reader wrapper, tbs.enter(der::context_constructed(0)));
  TRY_VOID(tbs.finish("to-be-signed part"));
  TRY(const der::Reader extensions, der::enter_only(wrapper.rest(), Tag::sequence, "extensions"));
  return read_list_extensions(extensions, scope, out);
}

Result<Crl> parse(ByteView bytes, Scope scope) {
  if (bytes.size() > kMaxCrlBytes)
    return failf(Errc::malformed, "{} bytes, want at most {}", bytes.size(), kMaxCrlBytes);
  auto state = std::make_shared<Crl::State>();
  state->der = to_bytes(bytes);
  TRY(der::Reader reader, der::enter_only(state->der, Tag::sequence, "outer sequence"));
  TRY(const detail::SignedParts parts, detail::read_signed_parts(reader));
  TRY_VOID(reader.finish("outer sequence"));
  state->tbs = parts.tbs.whole;
  state->signature = parts.signature;
  state->scheme = parts.scheme;
  TRY_VOID(read_tbs(parts, scope, *state));
  return Crl(std::shared_ptr<const Crl::State>(std::move(state)));
}

Result<Crl> parse_named(ByteView bytes, Scope scope) {
  auto out = parse(bytes, scope);
  if (!out) return std::unexpected(std::move(out).error().at("CRL"));
  return out;
}

}  // namespace

Result<Crl> parse_crl(ByteView bytes) {
  return parse_named(bytes, Scope::own);
}

Result<Crl> parse_foreign_crl(ByteView bytes) {
  return parse_named(bytes, Scope::foreign);
}

}  // namespace sallyport::pki
