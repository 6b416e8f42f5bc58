// The access grant: for one user, one service of one device, a few minutes. This is the payload of the signed object of
// kind "grant"; the envelope, its signature and the signer's status are pki's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/names.h"
#include "base/random.h"
#include "base/time.h"

namespace sallyport::tunnel {

inline constexpr std::size_t kGrantIdSize = 16;
using GrantId = Strong<std::array<std::uint8_t, kGrantIdSize>, struct GrantIdTag>;
using ProofHash = std::array<std::uint8_t, 32>;

GrantId draw_grant_id(Random& random);

// What the user shows inside TLS.
enum class ProofKind : std::uint8_t {
  entry_secret = 1,  // browsers: SHA-256 of the 32 bytes of the entry secret
  client_key = 2,    // CLI: SHA-256 of the client certificate's DER SubjectPublicKeyInfo
};

struct AccessGrant {
  GrantId id;
  std::optional<GrantId> renews;  // the id of the session's first grant, in every later one
  std::string user_id;            // 1 to kMaxUserIdText
  std::string user_display;       // for logs and pages, at most kMaxUserDisplayText
  DeviceName device;
  ServiceName service;
  ProofKind proof_kind = ProofKind::entry_secret;
  ProofHash proof_hash{};
  GrantLabel label;            // one per session, kept over renewals
  std::string console_origin;  // "https://console.example" or "https://console.localhost:8443"
  UnixTime issued;
  UnixTime expires;      // at most kMaxGrantLife after issued
  UnixTime session_end;  // no renewal goes beyond; at most kMaxSessionLife after issued

  // The id by which the session is known, cut and audited.
  const GrantId& session() const { return renews ? *renews : id; }
  friend bool operator==(const AccessGrant&, const AccessGrant&) = default;
};

// The TLV payload. The grant must satisfy what parse_grant demands: a grant that does not is a broken invariant of the
// caller.
Bytes encode_grant(const AccessGrant& grant);
// Fails with Errc::malformed on any field outside its grammar or on times that contradict each other.
Result<AccessGrant> parse_grant(ByteView payload);

// Whether `grant` is for `device` and in force at `now`, give or take kGrantClockTolerance. Errc::unauthorized for
// another device, Errc::not_yet before it was issued, Errc::expired after.
Result<void> check_grant(const AccessGrant& grant, const DeviceName& device, UnixTime now);

// Whether `next` may take the place of `current`: same session, user, device, service, proof, label and console; no
// earlier expiry; no later session end. Errc::conflict names the first difference.
Result<void> check_renewal(const AccessGrant& current, const AccessGrant& next);

// "<label>.<name>.<zone>": the inner SNI under which this grant's session runs.
DnsName grant_host(const AccessGrant& grant, const DnsName& zone);
// The label of a name that grant_host makes for `device` and `zone`; absent for any other name.
std::optional<GrantLabel> find_label(const DnsName& host, const DeviceName& device, const DnsName& zone);
// "https://" name [":" port]; the port is left out where it is 443 (RFC 6454 §6.2).
std::string encode_origin(const DnsName& host, std::uint16_t port);
// Whether `text` is a serialised https origin in the form that encode_origin writes.
bool is_https_origin(std::string_view text);

}  // namespace sallyport::tunnel
