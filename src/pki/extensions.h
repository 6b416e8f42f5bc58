// The extensions of a certificate, as values (RFC 5280 §4.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "codec/der.h"
#include "crypto/hash.h"
#include "pki/distinguished_name.h"

namespace sallyport::pki {

using codec::der::Oid;

// Limits of one certificate; beyond them it is refused before anything is computed with it.
inline constexpr std::size_t kMaxExtensions = 32;
inline constexpr std::size_t kMaxAlternativeNames = 100;
inline constexpr std::size_t kMaxSubtrees = 100;
inline constexpr std::size_t kMaxUrls = 8;
inline constexpr std::size_t kMaxPolicies = 16;
inline constexpr std::size_t kMaxPolicyMappings = 16;
inline constexpr std::size_t kMaxDistributionPoints = 16;
inline constexpr std::size_t kMaxExtendedKeyUsages = 32;

// Bits of KeyUsage (RFC 5280 §4.2.1.3); bit 0 is the lowest.
inline constexpr std::uint32_t kDigitalSignature = 1U << 0U;
inline constexpr std::uint32_t kKeyEncipherment = 1U << 2U;
inline constexpr std::uint32_t kKeyCertSign = 1U << 5U;
inline constexpr std::uint32_t kCrlSign = 1U << 6U;

struct BasicConstraints {
  bool ca = false;
  std::optional<std::uint32_t> path_length;
};

// The names of a GeneralNames, by form. DNS names are as written: LDH labels (and '_'), a '*' as the whole first label
// only. Mailboxes have one '@' with something on both sides; URIs have a scheme.
struct AlternativeNames {
  std::vector<std::string> dns;
  std::vector<Bytes> ip;  // 4 or 16 octets
  std::vector<std::string> uri;
  std::vector<std::string> email;
  std::vector<DistinguishedName> directory;
  std::uint32_t unread_forms = 0;  // bit n: a name with tag [n] (otherName, x400Address, ediPartyName, registeredID)
  bool has_other() const { return unread_forms != 0 || !directory.empty(); }
  std::size_t count() const { return dns.size() + ip.size() + uri.size() + email.size() + directory.size(); }
};

struct IpSubnet {
  Bytes address;  // 4 or 16 octets
  Bytes mask;     // as many
};

struct DirectorySubtree {
  DistinguishedName name;
  Bytes canonical;  // name.canonical(): computed once, compared often
};

// The subtrees of one side of NameConstraints (RFC 5280 §4.2.1.10); minimum and maximum are refused when present.
struct Subtrees {
  std::vector<std::string> dns;    // lower case, "" is everything
  std::vector<std::string> email;  // "anna@host", "host", ".domain"; the host in lower case; "" is everything
  std::vector<std::string> uri;    // "host" or ".domain", lower case
  std::vector<IpSubnet> ip;
  std::vector<DirectorySubtree> directory;
  std::uint32_t unread_forms = 0;  // as of AlternativeNames: a name of such a form below is refused
};

struct NameConstraints {
  Subtrees permitted;
  Subtrees excluded;
};

// RFC 5280 §4.2.1.1: which certificate of the issuer is meant.
struct AuthorityCertificate {
  std::vector<DistinguishedName> issuer;
  Bytes serial;  // INTEGER content
};

// RFC 5280 §4.2.1.5; neither side is anyPolicy.
struct PolicyMapping {
  Oid issuer_domain;
  Oid subject_domain;
};

// RFC 5280 §4.2.1.11: after how many certificates a policy must be there, and none may be mapped. At least one is set.
struct PolicyConstraints {
  std::optional<std::uint32_t> require_explicit;
  std::optional<std::uint32_t> inhibit_mapping;
};

// Bits of ReasonFlags (RFC 5280 §4.2.1.13); bit 0 is "unused" and counted with the rest.
inline constexpr std::uint32_t kAllReasons = 0x1FE;

// Where the CRLs of a certificate, or the certificates of a CRL, are found (RFC 5280 §4.2.1.13, §5.2.5).
struct DistributionPointName {
  std::vector<Bytes> full;  // whole GeneralName elements
  Bytes relative;           // whole RelativeDistinguishedName, relative to the CRL's issuer; empty: `full` counts
};
struct DistributionPoint {
  std::optional<DistributionPointName> name;
  std::uint32_t reasons = kAllReasons;
  std::vector<DistinguishedName> crl_issuer;  // empty: the certificate's own issuer
};

struct Extensions {
  std::optional<BasicConstraints> basic_constraints;
  std::optional<std::uint32_t> key_usage;
  std::optional<std::vector<Oid>> extended_key_usage;
  std::optional<AlternativeNames> alternative_names;
  std::optional<Bytes> subject_key_id;
  std::optional<Bytes> authority_key_id;
  std::optional<AuthorityCertificate> authority_certificate;
  std::optional<NameConstraints> name_constraints;
  std::vector<Oid> policies;
  std::vector<PolicyMapping> policy_mappings;
  std::optional<PolicyConstraints> policy_constraints;
  std::optional<std::uint32_t> inhibit_any_policy;  // RFC 5280 §4.2.1.14
  std::vector<DistributionPoint> distribution_points;
  std::vector<std::string> crl_urls;
  std::vector<std::string> ocsp_urls;
  std::vector<std::string> ca_issuer_urls;
  bool ocsp_no_check = false;
  std::optional<crypto::Sha256Digest> next_root_key;  // RFC 8649: SHA-256 of the next root's SubjectPublicKeyInfo
  std::vector<Oid> unknown_critical;                  // each a reason for refusal on any path

  bool is_ca() const { return basic_constraints && basic_constraints->ca; }
  bool allows_use(std::uint32_t key_usage_bit) const { return key_usage && (*key_usage & key_usage_bit) != 0; }
  bool has_extended_key_usage(const Oid& usage) const;
};

}  // namespace sallyport::pki
