// Certification paths of anybody's PKI: built from an unordered heap of certificates, with cross-signing and
// alternatives, and validated by RFC 5280 §6.1. pki/verify.h puts the rules of our own tree on top.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/names.h"
#include "pki/certificate.h"
#include "pki/crl.h"
#include "pki/reason.h"
#include "pki/time_rule.h"
#include "pki/work.h"

namespace sallyport::pki {

// Certificates of one path, leaf and anchor included.
inline constexpr std::size_t kMaxPathCertificates = 10;
// Certificates besides the leaf that a path may be built from, anchors apart; and the most anchors.
inline constexpr std::size_t kMaxPoolCertificates = 64;
inline constexpr std::size_t kMaxAnchors = 512;

// The inputs of policy processing (RFC 5280 §6.1.1 (c), (e) to (g)).
struct PolicyRules {
  std::vector<Oid> accepted;  // user-initial-policy-set; empty: any
  bool explicit_required = false;
  bool inhibit_mapping = false;
  bool inhibit_any = false;
};

// Whether CRLs are asked.
enum class RevocationRule : std::uint8_t {
  none,         // no CRL is looked at
  where_given,  // a certificate that no CRL covers passes, one that a CRL lists or that needs an unusable one does not
  required,     // every certificate below the anchor must be covered, for all reasons (RFC 5280 §6.3)
};

using IpAddress = Bytes;  // 4 or 16 octets
using HostName = std::variant<DnsName, IpAddress>;

// What a path must be good for.
struct PathRules {
  TimeRule time;
  std::vector<Oid> extended_uses;    // each must be allowed by every certificate of the path that restricts its uses
  bool extended_use_needed = false;  // the leaf must name them; otherwise a leaf without extended key usage has all
  bool any_use_counts = true;        // anyExtendedKeyUsage allows them all
  std::uint32_t leaf_key_usage = 0;  // bits of KeyUsage: where the leaf has the extension, one of these must be set
  bool leaf_may_be_ca = false;
  std::optional<HostName>
      host;  // must be one of the leaf's alternative names (RFC 9525); the subject is never looked at
  PolicyRules policies;
  RevocationRule revocation = RevocationRule::none;
};

// What a path is made from. Borrows.
struct PathSource {
  std::span<const Certificate> others;   // intermediates in any order, cross-certificates, CRL signers
  std::span<const Certificate> anchors;  // trusted; their own validity, uses and constraints count as well
  std::span<const Crl> crls;
};

// A validated path, from leaf to anchor, both included. Made by verify_path() alone.
class VerifiedPath {
 public:
  const std::vector<Certificate>& certificates() const { return certificates_; }
  const Certificate& leaf() const { return certificates_.front(); }
  const Certificate& anchor() const { return certificates_.back(); }

 private:
  friend Verdict<VerifiedPath> verify_path(const Certificate&, const PathSource&, const PathRules&, Work*);
  explicit VerifiedPath(std::vector<Certificate> certificates) : certificates_(std::move(certificates)) {}
  std::vector<Certificate> certificates_;
};

// Finds a path from `leaf` to an anchor by which all `rules` hold, trying alternatives where a certificate does not
// fit. A leaf that is itself an anchor needs one more certificate above it, unless it is self-signed: then it is its
// own path. Refused with the reason of the attempt that came furthest. Work is bounded (pki/work.h); `work`, when
// given, is told what was spent.
Verdict<VerifiedPath> verify_path(const Certificate& leaf, const PathSource& source, const PathRules& rules,
                                  Work* work = nullptr);

// Whether `certificate` names `host` among its alternative names (RFC 9525 §6.3; a wildcard stands for one label).
bool is_for_host(const Certificate& certificate, const HostName& host);

}  // namespace sallyport::pki
