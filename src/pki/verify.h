// Path validation (RFC 5280 §6), stricter than any library: what is not explicitly allowed is refused.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/names.h"
#include "pki/certificate.h"
#include "pki/crl.h"
#include "pki/path.h"
#include "pki/profile.h"
#include "pki/reason.h"
#include "pki/time_rule.h"

namespace sallyport::pki {

// Certificates of one chain as a peer sends them, anchor included or not.
inline constexpr std::size_t kMaxChainCertificates = 8;
inline constexpr std::size_t kMaxChainBytes = 32U << 10U;

// What the leaf must be for. Each but the last demands our own tree: root, CA of one kind, leaf, matching policies,
// exactly the expected set of names inside the CA's namespace.
struct ServerPurpose {
  DnsName name;  // must be one of its names; server-ca
};
struct OperationalDevicePurpose {
  DnsName zone;
};
struct FactoryDevicePurpose {
  DnsName zone;
};
struct WebDevicePurpose {
  DnsName zone;
};
struct RolePurpose {
  DnsName zone;
};
struct PersonPurpose {
  DnsName zone;
};
struct ControlPurpose {
  ControlKind kind{};
};
// A server of anybody's PKI: RFC 5280 and RFC 9525 alone, no rule of our tree.
struct ForeignServerPurpose {
  DnsName name;
};
using Purpose = std::variant<ServerPurpose, OperationalDevicePurpose, FactoryDevicePurpose, WebDevicePurpose,
                             RolePurpose, PersonPurpose, ControlPurpose, ForeignServerPurpose>;

// Who the leaf is, extracted from its one authoritative name.
struct ServerIdentity {
  DnsName name;  // the one asked for
};
struct FactoryIdentity {
  SerialId serial_id;
  SiteName site;
};
struct RoleIdentity {
  std::string role;
};
struct PersonIdentity {
  std::string login;
};
// Operational and web device certificates give a DeviceName, control ones their kind.
using Identity = std::variant<ServerIdentity, DeviceName, FactoryIdentity, RoleIdentity, PersonIdentity, ControlKind>;

// A chain that was verified for a purpose. Made by verify_chain() alone.
class VerifiedChain {
 public:
  const Certificate& leaf() const { return path_.front(); }
  // The CA that issued the leaf.
  const Certificate& issuer() const { return path_[1]; }
  // From leaf to anchor, both included.
  const std::vector<Certificate>& path() const { return path_; }
  const Certificate& anchor() const { return path_.back(); }
  const Identity& identity() const { return identity_; }
  // The identity as T; asking for another kind than the purpose gives is a broken invariant.
  template <class T>
  const T& identity_as() const {
    const T* found = std::get_if<T>(&identity_);
    SALLYPORT_CHECK(found != nullptr);
    return *found;
  }
  // Whether validity was judged against a time floor alone; then recheck_validity() is owed once the time is known.
  bool validity_deferred() const { return validity_deferred_; }
  // Checks the validity of every certificate on the path at `now`; with success the debt is paid.
  Verdict<VerifiedChain> recheck_validity(UnixTime now) const;

 private:
  friend class PathCheck;
  VerifiedChain(std::vector<Certificate> path, Identity identity, bool deferred)
      : path_(std::move(path)), identity_(std::move(identity)), validity_deferred_(deferred) {}
  std::vector<Certificate> path_;
  Identity identity_;
  bool validity_deferred_;
};

// The root CRLs that a path is judged by: none at all, one, or one per root that is trusted. Borrows.
class RootCrls {
 public:
  RootCrls() = default;
  RootCrls(const VerifiedCrl* one)  // NOLINT(google-explicit-constructor): null is none
      : crls_(one, one == nullptr ? 0 : 1), are_asked_(one != nullptr) {}
  // Asked even when it is empty: then no path is good.
  RootCrls(const std::vector<VerifiedCrl>& all)
      : crls_(all), are_asked_(true) {}  // NOLINT(google-explicit-constructor)

  bool are_asked() const { return are_asked_; }
  std::span<const VerifiedCrl> crls() const { return crls_; }

 private:
  std::span<const VerifiedCrl> crls_;
  bool are_asked_ = false;
};

// The CRLs among `crls` that are of one of `roots` and good by `time`.
std::vector<VerifiedCrl> verify_root_crls(std::span<const Crl> crls, std::span<const Certificate> roots,
                                          const TimeRule& time);

// Verifies `chain` (leaf first, then what else was sent, in any order) up to one of `anchors` (trusted certificates,
// usually the root; a copy of the anchor in the chain does not hurt). Where more than one path leads up, one that
// `purpose` allows is found. Bounded work: pki/work.h. With `root_crls`, the CA of the leaf must be one that they
// judge, and no CA on the path may be listed.
Verdict<VerifiedChain> verify_chain(std::span<const Certificate> chain, std::span<const Certificate> anchors,
                                    const Purpose& purpose, const TimeRule& time, const RootCrls& root_crls = {});

// The profile of our tree that the leaf of a sound path has, all above it having theirs; absent when it is somebody
// else's tree. Says nothing about whose installation it is.
std::optional<ProfileId> find_profile(const std::vector<Certificate>& path);

// Parses DER certificates as a TLS peer sent them, within the limits above.
Verdict<std::vector<Certificate>> parse_chain(std::span<const Bytes> der);

// Checks that no certificate on the path between leaf and anchor is listed: reason ca_revoked, or crl_unusable when no
// CRL is of the issuer of the leaf's CA.
Verdict<void> check_path_against_crls(const VerifiedChain& chain, std::span<const VerifiedCrl> root_crls);
inline Verdict<void> check_path_against_crl(const VerifiedChain& chain, const VerifiedCrl& root_crl) {
  return check_path_against_crls(chain, std::span(&root_crl, 1));
}

}  // namespace sallyport::pki
