// The extensions of a certificate, as values (RFC 5280 §4.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "codec/der.h"
#include "crypto/hash.h"

namespace sallyport::pki {

using codec::der::Oid;

// Limits of one certificate; beyond them it is refused before anything is computed with it.
inline constexpr std::size_t kMaxExtensions = 32;
inline constexpr std::size_t kMaxAlternativeNames = 100;
inline constexpr std::size_t kMaxSubtrees = 100;
inline constexpr std::size_t kMaxUrls = 8;
inline constexpr std::size_t kMaxPolicies = 16;
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
// only.
struct AlternativeNames {
  std::vector<std::string> dns;
  std::vector<Bytes> ip;  // 4 or 16 octets
  std::vector<std::string> uri;
  std::vector<std::string> email;
  bool has_other = false;  // otherName, directoryName, x400Address, ediPartyName, registeredID
  std::size_t count() const { return dns.size() + ip.size() + uri.size() + email.size(); }
};

struct IpSubnet {
  Bytes address;  // 4 or 16 octets
  Bytes mask;     // as many
};

// The subtrees of one side of NameConstraints (RFC 5280 §4.2.1.10); minimum and maximum are refused when present.
struct Subtrees {
  std::vector<std::string> dns;  // lower case, "" is everything
  std::vector<IpSubnet> ip;
  bool has_email = false;  // a constraint of that form exists: names of the form are then refused
  bool has_uri = false;
  bool has_other = false;  // a form that cannot be checked here: no chain under it is accepted
};

struct NameConstraints {
  Subtrees permitted;
  Subtrees excluded;
};

struct Extensions {
  std::optional<BasicConstraints> basic_constraints;
  std::optional<std::uint32_t> key_usage;
  std::optional<std::vector<Oid>> extended_key_usage;
  std::optional<AlternativeNames> alternative_names;
  std::optional<Bytes> subject_key_id;
  std::optional<Bytes> authority_key_id;
  std::optional<NameConstraints> name_constraints;
  std::vector<Oid> policies;
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
