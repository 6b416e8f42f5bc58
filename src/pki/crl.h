// Certificate revocation lists (RFC 5280 §5), of a million entries where need be.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pki/certificate.h"
#include "pki/reason.h"
#include "pki/time_rule.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxCrlBytes = 128U << 20U;
inline constexpr std::size_t kMaxCrlEntries = 2'000'000;

// RFC 5280 §5.3.1. DO NOT CHANGE: the values are the standard's.
enum class RevocationReason : std::uint8_t {
  unspecified = 0,
  key_compromise = 1,
  ca_compromise = 2,
  affiliation_changed = 3,
  superseded = 4,
  cessation_of_operation = 5,
  certificate_hold = 6,
  remove_from_crl = 8,
  privilege_withdrawn = 9,
  aa_compromise = 10,
};
Result<RevocationReason> parse_revocation_reason(std::uint64_t value);

struct RevokedEntry {
  SerialNumber serial;
  RevocationReason reason = RevocationReason::unspecified;
  UnixTime revoked_at;
};

struct CrlFields {
  std::uint64_t number = 0;  // never falls, per issuer key
  UnixTime this_update;
  UnixTime next_update;
  std::optional<std::uint64_t> delta_base;  // a delta CRL to the full one of that number
  std::vector<RevokedEntry> entries;        // any order; a serial at most once
};

// What a CRL says it covers (RFC 5280 §5.2.5).
struct IssuingDistributionPoint {
  std::optional<DistributionPointName> name;
  bool only_user_certificates = false;
  bool only_ca_certificates = false;
  bool only_attribute_certificates = false;
  bool indirect = false;
  std::uint32_t reasons = kAllReasons;
};

// A CRL whose structure is sound; nothing about its signature is proven. An immutable value; copies share one state.
class Crl {
 public:
  ByteView der() const;
  ByteView tbs() const;
  const DistinguishedName& issuer() const;
  std::uint64_t number() const;
  UnixTime this_update() const;
  UnixTime next_update() const;
  std::optional<std::uint64_t> delta_base() const;
  const std::optional<Bytes>& authority_key_id() const;
  crypto::SignatureScheme signature_scheme() const;
  ByteView signature() const;
  // Sorted by serial.
  std::span<const RevokedEntry> entries() const;
  // Null when the serial is not listed. Logarithmic.
  const RevokedEntry* find(const SerialNumber& serial) const;
  // The same for a certificate of `certificate_issuer`, whom an indirect CRL may list too.
  const RevokedEntry* find(const DistinguishedName& certificate_issuer, const SerialNumber& serial) const;
  // Absent: it covers everything of its issuer.
  const std::optional<IssuingDistributionPoint>& distribution_point() const;

  struct State;
  explicit Crl(std::shared_ptr<const State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<const State> state_;
};

// Parses a version 2 CRL with number and nextUpdate. Unknown critical extensions (of list or entry), a serial twice,
// indirect and partitioned lists are Errc::malformed.
Result<Crl> parse_crl(ByteView der);

// The same for CRLs of anybody's PKI, where indirect and partitioned lists are allowed: for verify_path() alone, which
// judges what they cover.
Result<Crl> parse_foreign_crl(ByteView der);

// Builds and signs a CRL of `issuer`, whose key `key` must be (Errc::conflict otherwise). Errc::unauthorized when the
// issuer may not sign CRLs; Errc::malformed when times are reversed or a serial comes twice.
Result<Bytes> build_crl(const Certificate& issuer, CrlFields fields, crypto::SigningKey& key);

// A CRL whose signature, issuer and dates were checked. Made by verify_crl() alone.
class VerifiedCrl {
 public:
  const Crl& crl() const { return crl_; }
  const Certificate& issuer() const { return issuer_; }
  // Whether dates were judged against a floor alone.
  bool dates_deferred() const { return dates_deferred_; }

 private:
  friend Verdict<VerifiedCrl> verify_crl(const Crl&, const Certificate&, const TimeRule&, std::uint64_t);
  VerifiedCrl(Crl crl, Certificate issuer, bool deferred)
      : crl_(std::move(crl)), issuer_(std::move(issuer)), dates_deferred_(deferred) {}
  Crl crl_;
  Certificate issuer_;
  bool dates_deferred_;
};

// Checks that `issuer` (which the caller trusts) signed the list, may sign lists, that it is in date (crl_stale after
// nextUpdate; five minutes of skew for thisUpdate) and that its number is at least `lowest_number` (crl_unusable).
Verdict<VerifiedCrl> verify_crl(const Crl& crl, const Certificate& issuer, const TimeRule& time,
                                std::uint64_t lowest_number = 0);

// Of each of `issuers`, in their order, the list with the highest number among `crls` that stands before verify_crl()
// at `time`; nothing where there is none.
std::vector<std::optional<Crl>> newest_crls(std::span<const Certificate> issuers, std::span<const Crl> crls,
                                            const TimeRule& time);

}  // namespace sallyport::pki
