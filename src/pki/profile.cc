#include "pki/profile.h"

#include <algorithm>
#include <vector>

#include "pki/extensions.h"
#include "pki/oids.h"

namespace sallyport::pki {
namespace {

constexpr seconds days(int count) {
  return kDay * count;
}
constexpr seconds kRootLife = days(25 * 365 + 6);
constexpr seconds kCaLife = days(5 * 365 + 1);
constexpr seconds kServerLife = days(90);
constexpr seconds kOperationalLife = days(180);
constexpr seconds kPersonLife = days(366);
constexpr seconds kShortSignerLife = days(30);
constexpr seconds kLongSignerLife = days(731);

constexpr std::uint32_t kCaUsage = kKeyCertSign | kCrlSign;
// A factory station publishes no CRL: its white-list is the authority's.
constexpr std::uint32_t kLocalCaUsage = kKeyCertSign;

using enum ExtendedUse;
constexpr std::array kClientCa = {client_auth, ocsp_signing};
constexpr std::array kServerCa = {server_auth, ocsp_signing};
constexpr std::array kRolesCa = {server_auth, client_auth, ocsp_signing};
constexpr std::array kControlCa = {grant, snapshot, permit, licence, checkpoint, ocsp_signing};
constexpr std::array kClient = {client_auth};
constexpr std::array kServer = {server_auth};
constexpr std::array kBoth = {server_auth, client_auth};
constexpr std::array kGrant = {grant};
constexpr std::array kSnapshot = {snapshot};
constexpr std::array kPermit = {permit};
constexpr std::array kLicence = {licence};
constexpr std::array kCheckpoint = {checkpoint};
constexpr std::array kOcsp = {ocsp_signing};

Profile ca_profile(ProfileId id, std::string_view name, CaKind kind, std::span<const ExtendedUse> uses,
                   NameRule names) {
  return {.id = id,
          .name = name,
          .issuer = CaKind::root,
          .ca_kind = kind,
          .path_length = 0,
          .key_usage = kCaUsage,
          .extended_uses = uses,
          .names = names,
          .longest = kCaLife};
}

Profile twin(Profile of, ProfileId id, std::string_view name) {
  of.id = id;
  of.name = name;
  of.issuer = std::nullopt;
  return of;
}

Profile leaf(ProfileId id, std::string_view name, CaKind issuer, std::span<const ExtendedUse> uses, NameRule names,
             seconds longest) {
  return {.id = id,
          .name = name,
          .issuer = issuer,
          .ca_kind = std::nullopt,
          .path_length = std::nullopt,
          .key_usage = kDigitalSignature,
          .extended_uses = uses,
          .names = names,
          .longest = longest};
}

Profile root() {
  return {.id = ProfileId::root,
          .name = "root",
          .issuer = std::nullopt,
          .ca_kind = CaKind::root,
          .path_length = 2,
          .key_usage = kCaUsage,
          .longest = kRootLife};
}

Profile root_link() {
  Profile out = root();
  out.id = ProfileId::root_link;
  out.name = "root-link";
  out.issuer = CaKind::root;
  out.path_length = 1;
  return out;
}

Profile local_ca() {
  Profile out = ca_profile(ProfileId::local_ca, "local-ca", CaKind::local, kClient, NameRule::subtrees);
  out.key_usage = kLocalCaUsage;
  out.longest = kRootLife;
  return out;
}

Profile server_ca() {
  Profile out = ca_profile(ProfileId::server_ca, "server-ca", CaKind::server, kServerCa, NameRule::subtrees);
  out.several_subtrees = true;
  return out;
}

Profile ocsp_signer() {
  Profile out = leaf(ProfileId::ocsp_signer, "ocsp-signer", CaKind::online, kOcsp, NameRule::none, kShortSignerLife);
  out.from_any_online_ca = true;
  out.ocsp_no_check = true;
  return out;
}

std::vector<Profile> make_profiles() {
  using Id = ProfileId;
  const Profile web_ca = ca_profile(Id::web_ca, "web-ca", CaKind::web, kServerCa, NameRule::subtrees);
  return {
      root(),
      root_link(),
      ca_profile(Id::online_ca, "online-ca", CaKind::online, kClientCa, NameRule::subtrees),
      local_ca(),
      server_ca(),
      web_ca,
      ca_profile(Id::people_ca, "people-ca", CaKind::people, kClientCa, NameRule::subtrees),
      ca_profile(Id::roles_ca, "roles-ca", CaKind::roles, kRolesCa, NameRule::subtrees),
      ca_profile(Id::control_ca, "control-ca", CaKind::control, kControlCa, NameRule::none),
      twin(server_ca(), Id::server_ca_twin, "server-ca-twin"),
      twin(web_ca, Id::web_ca_twin, "web-ca-twin"),
      leaf(Id::factory_device, "factory-device", CaKind::local, kClient, NameRule::factory_device, kUnlimited),
      leaf(Id::operational_device, "operational-device", CaKind::online, kClient, NameRule::operational_device,
           kOperationalLife),
      leaf(Id::web_device, "web-device", CaKind::web, kServer, NameRule::web_device, kServerLife),
      leaf(Id::server, "server", CaKind::server, kServer, NameRule::server, kServerLife),
      leaf(Id::role, "role", CaKind::roles, kBoth, NameRule::role, kServerLife),
      leaf(Id::person, "person", CaKind::people, kClient, NameRule::person, kPersonLife),
      leaf(Id::grant_signer, "grant-signer", CaKind::control, kGrant, NameRule::none, kShortSignerLife),
      leaf(Id::snapshot_signer, "snapshot-signer", CaKind::control, kSnapshot, NameRule::none, kShortSignerLife),
      leaf(Id::permit_signer, "permit-signer", CaKind::control, kPermit, NameRule::none, kLongSignerLife),
      leaf(Id::licence_signer, "licence-signer", CaKind::control, kLicence, NameRule::none, kLongSignerLife),
      ocsp_signer(),
      leaf(Id::checkpoint_signer, "checkpoint-signer", CaKind::control, kCheckpoint, NameRule::none, kUnlimited),
  };
}

const std::vector<Profile>& profiles() {
  static const std::vector<Profile> kProfiles = make_profiles();
  return kProfiles;
}

constexpr std::array<std::string_view, 8> kCaNames = {"root",   "online-ca", "local-ca", "server-ca",
                                                      "web-ca", "people-ca", "roles-ca", "control-ca"};
constexpr std::array<std::string_view, 5> kControlNames = {"grant", "snapshot", "permit", "licence", "checkpoint"};

Oid own_oid(unsigned arc, unsigned number) {
  return Oid::of(fmt::format("{}.{}.{}", oid::kSallyportArc, arc, number));
}

}  // namespace

std::string_view to_string(CaKind kind) {
  return kCaNames[static_cast<std::size_t>(kind)];
}

Result<CaKind> ca_kind_of(std::string_view ca_name) {
  constexpr std::string_view kLocalPrefix = "local-ca/";
  if (ca_name.starts_with(kLocalPrefix)) {
    TRY_VOID(parse_site_name(ca_name.substr(kLocalPrefix.size())));
    return CaKind::local;
  }
  for (std::size_t i = 0; i < kCaNames.size(); ++i) {
    if (ca_name == kCaNames[i] && static_cast<CaKind>(i) != CaKind::local) return static_cast<CaKind>(i);
  }
  return fail(Errc::malformed, "CA name: found none of the CAs, want root, server-ca, local-ca/<site> …");
}

const Oid& policy_of(CaKind kind) {
  static const std::array<Oid, kCaNames.size()> kPolicies = [] {
    std::array<Oid, kCaNames.size()> out;
    for (unsigned i = 1; i < out.size(); ++i) out[i] = own_oid(1, i);
    return out;
  }();
  return kPolicies[static_cast<std::size_t>(kind)];
}

std::string_view to_string(ControlKind kind) {
  return kControlNames[static_cast<std::size_t>(kind) - 1];
}

Result<ControlKind> parse_control_kind(std::string_view text) {
  for (std::size_t i = 0; i < kControlNames.size(); ++i) {
    if (text == kControlNames[i]) return static_cast<ControlKind>(i + 1);
  }
  return fail(Errc::malformed, "control kind: unknown, want grant, snapshot, permit, licence or checkpoint");
}

const Oid& oid_of(ExtendedUse use) {
  static const std::array<Oid, 8> kUses = {oid::eku_server_auth, oid::eku_client_auth, oid::eku_ocsp_signing,
                                           own_oid(2, 1),        own_oid(2, 2),        own_oid(2, 3),
                                           own_oid(2, 4),        own_oid(2, 5)};
  return kUses[static_cast<std::size_t>(use)];
}

ExtendedUse use_of(ControlKind kind) {
  return static_cast<ExtendedUse>(static_cast<unsigned>(ExtendedUse::grant) + static_cast<unsigned>(kind) - 1);
}

const Profile& profile(ProfileId id) {
  const auto found = std::ranges::find(profiles(), id, &Profile::id);
  SALLYPORT_CHECK(found != profiles().end());
  return *found;
}

Result<ProfileId> parse_profile_id(std::uint8_t value) {
  for (const Profile& row : profiles()) {
    if (static_cast<std::uint8_t>(row.id) == value) return row.id;
  }
  return failf(Errc::malformed, "profile: number {} is none", value);
}

std::span<const Profile> all_profiles() {
  return profiles();
}

ProfileId profile_of(ControlKind kind) {
  if (kind == ControlKind::checkpoint) return ProfileId::checkpoint_signer;
  return static_cast<ProfileId>(static_cast<unsigned>(ProfileId::grant_signer) + static_cast<unsigned>(kind) - 1);
}

ProfileId ca_profile_of(CaKind kind) {
  constexpr std::array kIds = {ProfileId::root,   ProfileId::online_ca, ProfileId::local_ca, ProfileId::server_ca,
                               ProfileId::web_ca, ProfileId::people_ca, ProfileId::roles_ca, ProfileId::control_ca};
  return kIds[static_cast<std::size_t>(kind)];
}

DnsName factory_namespace(const SiteName& site, const DnsName& zone) {
  return under(site.get(), under("factory", zone));
}
DnsName roles_namespace(const DnsName& zone) {
  return under("internal", zone);
}
DnsName people_namespace(const DnsName& zone) {
  return under("people", zone);
}

}  // namespace sallyport::pki
