#include "pki/crl.h"

#include <algorithm>

#include "pki/detail/algorithm.h"
#include "pki/detail/crl_state.h"
#include "pki/detail/extension_reader.h"
#include "pki/oids.h"

namespace sallyport::pki {

namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::uint64_t kVersion2 = 1;
constexpr seconds kSkew{300};

// Extensions with one Extension, the reason code, up to its value.
constexpr std::array<std::uint8_t, 13> kReason = {0x30, 0x0C, 0x30, 0x0A, 0x06, 0x03, 0x55,
                                                  0x1D, 0x15, 0x04, 0x03, 0x0A, 0x01};
// What stands behind the to-be-signed bytes, at most: an algorithm and the longest signature there is (RSA of 8192
// bits).
constexpr std::size_t kSignatureRoom = 1'100;

// The entries one after another, without a temporary per element: a list may have a million.
class EntryWriter {
 public:
  std::size_t size(const RevokedEntry& entry) { return 2 + content_size(entry); }

  void write(const RevokedEntry& entry, Bytes& out) {
    const std::size_t content = content_size(entry);
    const ByteView serial = entry.serial.content();
    out.push_back(static_cast<std::uint8_t>(Tag::sequence));
    out.push_back(static_cast<std::uint8_t>(content));
    out.push_back(static_cast<std::uint8_t>(Tag::integer));
    out.push_back(static_cast<std::uint8_t>(serial.size()));
    append(out, serial);
    append(out, time_);
    if (!has_reason(entry)) return;
    append(out, kReason);
    out.push_back(static_cast<std::uint8_t>(entry.reason));
  }

 private:
  // RFC 5280 §5.3.1: unspecified is said by leaving it out.
  static bool has_reason(const RevokedEntry& entry) { return entry.reason != RevocationReason::unspecified; }
  std::size_t content_size(const RevokedEntry& entry) {
    if (!last_time_ || *last_time_ != entry.revoked_at) {
      time_ = der::encode_time(entry.revoked_at);
      last_time_ = entry.revoked_at;
    }
    return 2 + entry.serial.content().size() + time_.size() + (has_reason(entry) ? kReason.size() + 1 : 0);
  }

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

// TBSCertList (RFC 5280 §5.1), with room behind it for algorithm and signature.
void append_tbs(Bytes& out, const Certificate& issuer, const CrlFields& fields, crypto::SignatureScheme scheme) {
  const Bytes first =
      der::concat({der::encode_small_unsigned(kVersion2), detail::encode_signature_algorithm(scheme),
                   issuer.subject().der(), der::encode_time(fields.this_update), der::encode_time(fields.next_update)});
  const Bytes last = encode_list_extensions(issuer, fields);
  EntryWriter writer;
  std::size_t entries = 0;
  for (const RevokedEntry& entry : fields.entries) entries += writer.size(entry);
  const Bytes list = entries == 0 ? Bytes() : der::encode_head(Tag::sequence, entries);
  const std::size_t content = first.size() + list.size() + entries + last.size();
  const Bytes head = der::encode_head(Tag::sequence, content);
  const std::size_t begins = out.size();
  out.reserve(begins + head.size() + content + kSignatureRoom);
  for (const Bytes* part : {&head, &first, &list}) append(out, *part);
  for (const RevokedEntry& entry : fields.entries) writer.write(entry, out);
  append(out, last);
  SALLYPORT_CHECK(out.size() == begins + head.size() + content);
}

}  // namespace

Result<RevocationReason> parse_revocation_reason(std::uint64_t value) {
  constexpr std::uint64_t kUnused = 7;  // RFC 5280 §5.3.1: "value 7 is not used"
  if (value > static_cast<std::uint64_t>(RevocationReason::aa_compromise) || value == kUnused) {
    return failf(Errc::malformed, "revocation reason: {}, want 0 to 10 without 7", value);
  }
  return static_cast<RevocationReason>(value);
}

const std::optional<IssuingDistributionPoint>& Crl::distribution_point() const {
  return state_->distribution_point;
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

const RevokedEntry* Crl::find(const DistinguishedName& certificate_issuer, const SerialNumber& serial) const {
  if (certificate_issuer.matches(state_->issuer)) return find(serial);
  for (const Crl::State::ForeignEntry& each : state_->foreign) {
    if (each.entry.serial == serial && state_->foreign_issuers[each.issuer].matches(certificate_issuer))
      return &each.entry;
  }
  return nullptr;
}

Result<Bytes> build_crl(const Certificate& issuer, CrlFields fields, crypto::SigningKey& key) {
  if (!(key.public_key() == issuer.public_key())) return fail(Errc::conflict, "CRL: the key is not the issuer's");
  if (!issuer.extensions().is_ca() || !issuer.extensions().allows_use(kCrlSign)) {
    return fail(Errc::unauthorized, "CRL: the issuer may not sign CRLs");
  }
  TRY_VOID(check_fields(fields));
  // One buffer: four copies of a million entries would be 200 MB. The outermost head is written into room left for it.
  Bytes out(der::kMaxHead);
  append_tbs(out, issuer, fields, key.scheme());
  TRY(const Bytes signature, key.sign(ByteView(out).subspan(der::kMaxHead)));
  append(out, detail::encode_signature_algorithm(key.scheme()));
  append(out, der::encode_bit_string(signature));
  const Bytes head = der::encode_head(Tag::sequence, out.size() - der::kMaxHead);
  const std::size_t unused = der::kMaxHead - head.size();
  std::ranges::copy(head, out.begin() + static_cast<std::ptrdiff_t>(unused));
  out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(unused));
  return out;
}

Verdict<VerifiedCrl> verify_crl(const Crl& crl, const Certificate& issuer, const TimeRule& time,
                                std::uint64_t lowest_number) {
  if (!(crl.issuer() == issuer.subject()))
    return refuse(Reason::issuer_mismatch, "CRL: found another issuer, want the CA's own CRL");
  const auto& key_id = issuer.extensions().subject_key_id;
  if (crl.authority_key_id() && key_id && *crl.authority_key_id() != *key_id) {
    return refuse(Reason::key_id_mismatch, "CRL: found another key of its issuer, want the CA's own CRL");
  }
  if (!issuer.extensions().is_ca() || !issuer.extensions().allows_use(kCrlSign)) {
    return refuse(Reason::key_usage, "CRL: its issuer may not sign CRLs");
  }
  if (!issuer.public_key().verify(crl.signature_scheme(), crl.tbs(), crl.signature())) {
    return refuse(Reason::bad_signature, "CRL: signature is not its issuer's");
  }
  if (crl.next_update() < time.time()) {
    return refuse(Reason::crl_stale,
                  fmt::format("CRL: found it overdue since {}, want one in force", to_iso8601(crl.next_update())));
  }
  if (time.is_clock() && crl.this_update() > time.time() + kSkew) {
    return refuse(Reason::crl_stale, fmt::format("CRL: begins {}", to_iso8601(crl.this_update())));
  }
  if (crl.number() < lowest_number) {
    return refuse(Reason::crl_unusable, fmt::format("CRL: number {}, want at least {}", crl.number(), lowest_number));
  }
  return VerifiedCrl(crl, issuer, !time.is_clock());
}

std::vector<std::optional<Crl>> newest_crls(std::span<const Certificate> issuers, std::span<const Crl> crls,
                                            const TimeRule& time) {
  std::vector<std::optional<Crl>> out;
  for (const Certificate& issuer : issuers) {
    auto& newest = out.emplace_back();
    for (const Crl& crl : crls) {
      if ((!newest || crl.number() > newest->number()) && verify_crl(crl, issuer, time)) newest = crl;
    }
  }
  return out;
}

}  // namespace sallyport::pki
