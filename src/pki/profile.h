// What each kind of certificate is, as data: the table that the signer issues by and the verifier judges
// by.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/names.h"
#include "base/time.h"
#include "codec/der.h"
#include "crypto/key.h"

namespace sallyport::pki {

using codec::der::Oid;

// The kinds of CA; each has a policy of its own, which every certificate below it carries. DO NOT CHANGE: they are
// arcs.
enum class CaKind : std::uint8_t {
  root = 0,
  online = 1,
  local = 2,
  server = 3,
  web = 4,
  people = 5,
  roles = 6,
  control = 7
};
// "root", "online-ca", "local-ca", …
std::string_view to_string(CaKind kind);
// Returns the kind of a CA name as the installation writes it ("server-ca", "local-ca/<site>").
Result<CaKind> ca_kind_of(std::string_view ca_name);
// The certificatePolicies OID of a CA kind; the root has none.
const Oid& policy_of(CaKind kind);

// The kinds of object that control certificates sign. DO NOT CHANGE: they are arcs and travel.
//
// `checkpoint` is the log's: its key signs notes (tlog/checkpoint.h) and never an object under codec::signing_input.
enum class ControlKind : std::uint8_t { grant = 1, snapshot = 2, permit = 3, licence = 4, checkpoint = 5 };
// "grant", "snapshot", "permit", "licence", "checkpoint": also the kind under the signature (codec::signing_input).
std::string_view to_string(ControlKind kind);
Result<ControlKind> parse_control_kind(std::string_view text);

enum class ExtendedUse : std::uint8_t {
  server_auth,
  client_auth,
  ocsp_signing,
  grant,
  snapshot,
  permit,
  licence,
  checkpoint
};
const Oid& oid_of(ExtendedUse use);
ExtendedUse use_of(ControlKind kind);

// DO NOT CHANGE THESE VALUES: they travel between authority and signer.
enum class ProfileId : std::uint8_t {
  root = 1,
  root_link = 2,  // a new root's key under the old root, for rollovers
  online_ca = 3,
  local_ca = 4,
  server_ca = 5,
  web_ca = 6,
  people_ca = 7,
  roles_ca = 8,
  control_ca = 9,
  server_ca_twin = 10,  // self-signed with the CA's own key, for foreign trust stores
  web_ca_twin = 11,
  factory_device = 20,
  operational_device = 21,
  web_device = 22,
  server = 23,
  role = 24,
  person = 25,
  grant_signer = 26,
  snapshot_signer = 27,
  permit_signer = 28,
  licence_signer = 29,
  ocsp_signer = 30,
  checkpoint_signer = 31,
};

// The exact set of names that a certificate must carry; N is the DNS subtree that its issuer (for a CA: itself) is
// permitted.
enum class NameRule : std::uint8_t {
  none,                // no alternative name, no constraint
  subtrees,            // a CA: no alternative name; one permitted DNS subtree or, where several_subtrees, up to eight
  factory_device,      // exactly <serial id>.N
  operational_device,  // exactly <device name>.N
  web_device,          // exactly <device name>.N and *.<device name>.N
  server,              // one to eight names, each equal to or below a permitted one, no wildcard
  role,                // exactly <role>.N
  person,              // exactly the URI https://N/<login>
};

// RFC 5280 has no clock skew; the field does. Every certificate begins this much before it is signed.
inline constexpr seconds kBackdating{3'600};
inline constexpr std::size_t kMaxServerNames = 8;

struct Profile {
  ProfileId id{};
  std::string_view name;
  std::optional<CaKind> issuer;   // absent: self-signed
  std::optional<CaKind> ca_kind;  // what it is a CA of; absent: a leaf
  std::optional<std::uint32_t> path_length;
  std::uint32_t key_usage = 0;
  std::span<const ExtendedUse> extended_uses;  // exactly these, in this order
  NameRule names = NameRule::none;
  seconds longest{};              // from now, backdating apart; kUnlimited ends with the issuer
  bool several_subtrees = false;  // NameRule::subtrees: up to kMaxServerNames instead of one
  bool ocsp_no_check = false;
  bool from_any_online_ca = false;  // ocsp_signer: issuer is whichever CA it answers for

  bool is_ca() const { return ca_kind.has_value(); }
};
inline constexpr seconds kUnlimited = seconds::max();

const Profile& profile(ProfileId id);
Result<ProfileId> parse_profile_id(std::uint8_t value);
std::span<const Profile> all_profiles();
ProfileId profile_of(ControlKind kind);
// The profile of the CA of that kind below the root (for root: the root's own).
ProfileId ca_profile_of(CaKind kind);

// The namespaces of an installation, each the one subtree that its CA is permitted.
DnsName factory_namespace(const SiteName& site, const DnsName& zone);  // <site>.factory.<zone>
DnsName roles_namespace(const DnsName& zone);                          // internal.<zone>
DnsName people_namespace(const DnsName& zone);                         // people.<zone>

}  // namespace sallyport::pki
