#include "pki/crl.h"

#include <algorithm>

#include "pki/detail/algorithm.h"
#include "pki/detail/extension_reader.h"
#include "pki/oids.h"

namespace sallyport::pki {

struct Crl::State {
  Bytes der;
  ByteView tbs;
  ByteView signature;
  crypto::SignatureScheme scheme{};
  DistinguishedName issuer;
  UnixTime this_update;
  UnixTime next_update;
  std::optional<std::uint64_t> number;
  std::optional<std::uint64_t> delta_base;
  std::optional<Bytes> authority_key_id;
  std::vector<RevokedEntry> entries;
};

namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::uint64_t kVersion2 = 1;
constexpr seconds kSkew{300};

Result<void> read_entry_extensions(der::Reader reader, RevokedEntry& entry) {
  if (reader.at_end()) return fail(Errc::malformed, "entry: empty extensions");
  bool has_reason = false;
  while (!reader.at_end()) {
    TRY(const detail::RawExtension extension, detail::read_extension(reader));
    if (extension.oid == oid::reason_code) {
      if (has_reason) return fail(Errc::malformed, "entry: a reason twice");
      has_reason = true;
      TRY(const der::Reader value, der::enter_only(extension.value, Tag::enumerated, "reason code"));
      if (value.rest().size() != 1) return fail(Errc::malformed, "entry: reason code out of range");
      TRY(entry.reason, parse_revocation_reason(value.rest()[0]));
    } else if (extension.critical) {
      return failf(Errc::malformed, "entry: unknown critical extension {}", extension.oid.dotted());
    }
  }
  return {};
}

// SEQUENCE { userCertificate INTEGER, revocationDate Time, crlEntryExtensions OPTIONAL }
Result<RevokedEntry> read_entry(der::Reader& list) {
  TRY(der::Reader reader, list.sequence());
  RevokedEntry entry;
  TRY(const ByteView serial, reader.integer());
  TRY(entry.serial, SerialNumber::from_content(serial));
  TRY(entry.revoked_at, reader.time());
  if (!reader.at_end()) {
    TRY(const der::Reader extensions, reader.sequence());
    TRY_VOID(read_entry_extensions(extensions, entry));
  }
  TRY_VOID(reader.finish("entry"));
  return entry;
}

Result<void> read_entries(der::Reader list, std::vector<RevokedEntry>& entries) {
  if (list.at_end()) return fail(Errc::malformed, "an empty list of entries, want it absent");
  bool sorted = true;
  while (!list.at_end()) {
    if (entries.size() >= kMaxCrlEntries) return failf(Errc::malformed, "over {} entries", kMaxCrlEntries);
    TRY(RevokedEntry entry, read_entry(list));
    sorted = sorted && (entries.empty() || entries.back().serial < entry.serial);
    entries.push_back(entry);
  }
  if (sorted) return {};
  std::ranges::sort(entries, {}, &RevokedEntry::serial);
  const auto twice = std::ranges::adjacent_find(entries, {}, &RevokedEntry::serial);
  if (twice != entries.end()) return failf(Errc::malformed, "serial {} twice", twice->serial.hex());
  return {};
}

Result<std::uint64_t> read_number(ByteView value) {
  der::Reader reader(value);
  TRY(const std::uint64_t number, reader.small_unsigned());
  TRY_VOID(reader.finish("number"));
  return number;
}

Result<void> read_list_extensions(der::Reader reader, Crl::State& out) {
  std::vector<Oid> seen;
  while (!reader.at_end()) {
    if (seen.size() >= kMaxExtensions) return failf(Errc::malformed, "over {} extensions", kMaxExtensions);
    TRY(const detail::RawExtension extension, detail::read_extension(reader));
    if (std::ranges::find(seen, extension.oid) != seen.end())
      return failf(Errc::malformed, "extension {} twice", extension.oid.dotted());
    seen.push_back(extension.oid);
    if (extension.oid == oid::crl_number) {
      TRY(out.number, read_number(extension.value));
    } else if (extension.oid == oid::delta_crl_indicator) {
      if (!extension.critical) return fail(Errc::malformed, "delta indicator that is not critical");
      TRY(out.delta_base, read_number(extension.value));
    } else if (extension.oid == oid::authority_key_identifier) {
      TRY(der::Reader value, der::enter_only(extension.value, Tag::sequence, "authority key identifier"));
      TRY(const auto id, value.optional(der::context_primitive(0)));
      if (id) out.authority_key_id = to_bytes(id->content);
    } else if (extension.critical) {
      return failf(Errc::malformed, "unknown critical extension {}", extension.oid.dotted());
    }
  }
  if (!out.number) return fail(Errc::malformed, "no CRL number");
  return {};
}

// TBSCertList := version, signature, issuer, thisUpdate, nextUpdate, revokedCertificates OPTIONAL, [0] crlExtensions
// (§5.1)
Result<void> read_tbs(const detail::SignedParts& parts, Crl::State& out) {
  der::Reader tbs(parts.tbs.content);
  TRY(const std::uint64_t version, tbs.small_unsigned());
  if (version != kVersion2) return failf(Errc::malformed, "version field {}, want 1", version);
  TRY(const der::Element algorithm, tbs.element(Tag::sequence));
  if (!equal(algorithm.whole, parts.algorithm))
    return fail(Errc::malformed, "inner and outer signature algorithm differ");
  TRY(const der::Element name, tbs.element(Tag::sequence));
  TRY(out.issuer, DistinguishedName::parse(name.whole));
  TRY(out.this_update, tbs.time());
  TRY(out.next_update, tbs.time());
  if (out.next_update < out.this_update) return fail(Errc::malformed, "nextUpdate before thisUpdate");
  TRY(const auto entries, tbs.optional(Tag::sequence));
  if (entries) TRY_VOID(read_entries(der::Reader(entries->content), out.entries));
  TRY(const der::Reader wrapper, tbs.enter(der::context_constructed(0)));
  TRY_VOID(tbs.finish("to-be-signed part"));
  TRY(const der::Reader extensions, der::enter_only(wrapper.rest(), Tag::sequence, "extensions"));
  return read_list_extensions(extensions, out);
}

Result<Crl> parse(ByteView bytes) {
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
  TRY_VOID(read_tbs(parts, *state));
  return Crl(std::shared_ptr<const Crl::State>(std::move(state)));
}

// The entries one after another, written without a temporary per element: a list may have a million.
class EntryWriter {
 public:
  explicit EntryWriter(std::size_t entries) { out_.reserve(entries * kTypicalEntry); }

  void write(const RevokedEntry& entry) {
    const ByteView serial = entry.serial.content();
    if (!last_time_ || *last_time_ != entry.revoked_at) {
      time_ = der::encode_time(entry.revoked_at);
      last_time_ = entry.revoked_at;
    }
    const bool has_reason = entry.reason != RevocationReason::unspecified;  // RFC 5280 §5.3.1: then absent
    const std::size_t content = 2 + serial.size() + time_.size() + (has_reason ? kReason.size() + 1 : 0);
    out_.push_back(static_cast<std::uint8_t>(Tag::sequence));
    out_.push_back(static_cast<std::uint8_t>(content));
    out_.push_back(static_cast<std::uint8_t>(Tag::integer));
    out_.push_back(static_cast<std::uint8_t>(serial.size()));
    append(out_, serial);
    append(out_, time_);
    if (!has_reason) return;
    append(out_, kReason);
    out_.push_back(static_cast<std::uint8_t>(entry.reason));
  }

  Bytes take() && { return std::move(out_); }

 private:
  static constexpr std::size_t kTypicalEntry = 50;
  // Extensions with one Extension, the reason code, up to its value.
  static constexpr std::array<std::uint8_t, 13> kReason = {0x30, 0x0C, 0x30, 0x0A, 0x06, 0x03, 0x55,
                                                           0x1D, 0x15, 0x04, 0x03, 0x0A, 0x01};
  Bytes out_;
  Bytes time_;
  std::optional<UnixTime> last_time_;
};

bool is_encodable(UnixTime time) {
  return time.since_epoch() >= 0 && time <= kNoExpiry;
}

Result<void> check_fields(CrlFields& fields) {
  if (fields.next_update <= fields.this_update || !is_encodable(fields.this_update) ||
      !is_encodable(fields.next_update)) {
    return fail(Errc::malformed, "CRL: nextUpdate is not after thisUpdate");
  }
  if (fields.entries.size() > kMaxCrlEntries) return failf(Errc::malformed, "CRL: over {} entries", kMaxCrlEntries);
  constexpr std::uint64_t kMost = (1ULL << 63U) - 1;
  if (fields.number > kMost || fields.delta_base.value_or(0) > kMost)
    return fail(Errc::malformed, "CRL: number over 2^63");
  if (!std::ranges::is_sorted(fields.entries, {}, &RevokedEntry::serial))
    std::ranges::sort(fields.entries, {}, &RevokedEntry::serial);
  if (std::ranges::adjacent_find(fields.entries, {}, &RevokedEntry::serial) != fields.entries.end()) {
    return fail(Errc::malformed, "CRL: a serial twice");
  }
  if (!std::ranges::all_of(fields.entries, is_encodable, &RevokedEntry::revoked_at))
    return fail(Errc::malformed, "CRL: a time out of range");
  return {};
}

Bytes encode_list_extensions(const Certificate& issuer, const CrlFields& fields) {
  const auto& known_id = issuer.extensions().subject_key_id;
  const Bytes key_id = known_id ? *known_id : key_identifier(issuer.public_key());
  const Bytes aki = der::encode(Tag::sequence, der::encode(der::context_primitive(0), key_id));
  Bytes list = detail::encode_extension(oid::authority_key_identifier, false, aki);
  append(list, detail::encode_extension(oid::crl_number, false, der::encode_small_unsigned(fields.number)));
  if (fields.delta_base) {
    append(list,
           detail::encode_extension(oid::delta_crl_indicator, true, der::encode_small_unsigned(*fields.delta_base)));
  }
  return der::encode(der::context_constructed(0), der::encode(Tag::sequence, list));
}

}  // namespace

Result<RevocationReason> parse_revocation_reason(std::uint64_t value) {
  constexpr std::uint64_t kUnused = 7;  // RFC 5280 §5.3.1: "value 7 is not used"
  if (value > static_cast<std::uint64_t>(RevocationReason::aa_compromise) || value == kUnused) {
    return failf(Errc::malformed, "revocation reason: {}, want 0 to 10 without 7", value);
  }
  return static_cast<RevocationReason>(value);
}

ByteView Crl::der() const {
  return state_->der;
}
ByteView Crl::tbs() const {
  return state_->tbs;
}
const DistinguishedName& Crl::issuer() const {
  return state_->issuer;
}
std::uint64_t Crl::number() const {
  return *state_->number;
}
UnixTime Crl::this_update() const {
  return state_->this_update;
}
UnixTime Crl::next_update() const {
  return state_->next_update;
}
std::optional<std::uint64_t> Crl::delta_base() const {
  return state_->delta_base;
}
const std::optional<Bytes>& Crl::authority_key_id() const {
  return state_->authority_key_id;
}
crypto::SignatureScheme Crl::signature_scheme() const {
  return state_->scheme;
}
ByteView Crl::signature() const {
  return state_->signature;
}
std::span<const RevokedEntry> Crl::entries() const {
  return state_->entries;
}

const RevokedEntry* Crl::find(const SerialNumber& serial) const {
  const auto found = std::ranges::lower_bound(state_->entries, serial, {}, &RevokedEntry::serial);
  return found != state_->entries.end() && found->serial == serial ? &*found : nullptr;
}

Result<Crl> parse_crl(ByteView bytes) {
  auto out = parse(bytes);
  if (!out) return std::unexpected(std::move(out).error().at("CRL"));
  return out;
}

Result<Bytes> build_crl(const Certificate& issuer, CrlFields fields, crypto::SigningKey& key) {
  if (!(key.public_key() == issuer.public_key())) return fail(Errc::conflict, "CRL: the key is not the issuer's");
  if (!issuer.extensions().is_ca() || !issuer.extensions().allows_use(kCrlSign)) {
    return fail(Errc::unauthorized, "CRL: the issuer may not sign CRLs");
  }
  TRY_VOID(check_fields(fields));
  EntryWriter writer(fields.entries.size());
  for (const RevokedEntry& entry : fields.entries) writer.write(entry);
  const Bytes entries = std::move(writer).take();
  const Bytes list = entries.empty() ? Bytes{} : der::encode(Tag::sequence, entries);
  const Bytes tbs =
      der::encode_sequence({der::encode_small_unsigned(kVersion2), detail::encode_signature_algorithm(key.scheme()),
                            issuer.subject().der(), der::encode_time(fields.this_update),
                            der::encode_time(fields.next_update), list, encode_list_extensions(issuer, fields)});
  TRY(const Bytes signature, key.sign(tbs));
  return detail::encode_signed(tbs, key.scheme(), signature);
}

Verdict<VerifiedCrl> verify_crl(const Crl& crl, const Certificate& issuer, const TimeRule& time,
                                std::uint64_t lowest_number) {
  if (!(crl.issuer() == issuer.subject())) return refuse(Reason::issuer_mismatch, "CRL: of another issuer");
  const auto& key_id = issuer.extensions().subject_key_id;
  if (crl.authority_key_id() && key_id && *crl.authority_key_id() != *key_id) {
    return refuse(Reason::key_id_mismatch, "CRL: of another key of its issuer");
  }
  if (!issuer.extensions().is_ca() || !issuer.extensions().allows_use(kCrlSign)) {
    return refuse(Reason::key_usage, "CRL: its issuer may not sign CRLs");
  }
  if (!issuer.public_key().verify(crl.signature_scheme(), crl.tbs(), crl.signature())) {
    return refuse(Reason::bad_signature, "CRL: signature is not its issuer's");
  }
  if (crl.next_update() < time.time()) {
    return refuse(Reason::crl_stale, fmt::format("CRL: was to be replaced by {}", to_iso8601(crl.next_update())));
  }
  if (time.is_clock() && crl.this_update() > time.time() + kSkew) {
    return refuse(Reason::crl_stale, fmt::format("CRL: begins {}", to_iso8601(crl.this_update())));
  }
  if (crl.number() < lowest_number) {
    return refuse(Reason::crl_unusable, fmt::format("CRL: number {}, want at least {}", crl.number(), lowest_number));
  }
  return VerifiedCrl(crl, issuer, !time.is_clock());
}

}  // namespace sallyport::pki
