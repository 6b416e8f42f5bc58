// The device's own judgement of every browser request (docs/protocol/tunnel.md §11): nothing that the relay, the
// network or another device's page can do gets a request past it. Pure: the HTTP server hands in heads and performs
// what is decided.
//
// Per request, in this order: grant live → Host is this connection's name (421) → the entry form, or: Sec-Fetch-Site →
// cookie (401) → Origin → what is the gate's own is stripped → the application.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/time.h"
#include "tunnel/live_grants.h"

namespace sallyport::tunnel {

inline constexpr std::string_view kEntryPath = "/.sallyport/enter";
inline constexpr std::string_view kReservedPrefix = "/.sallyport";
inline constexpr std::string_view kSessionCookie = "__Host-sallyport";
inline constexpr std::string_view kHeldCookiePrefix =
    "__Host-p-";  // an application's cookie, as the browser knows it and no other device's page can plant it
inline constexpr std::size_t kEntrySecretSize = 32;
using EntrySecret = Secret<kEntrySecretSize>;

// Which cookies an application gets.
enum class CookiePolicy : std::uint8_t {
  held,      // those that the application has set, with the values that it gave them
  scripted,  // those too that its scripts have written, and with them what pages of other devices plant
};

struct Header {
  std::string name;
  std::string value;
  friend bool operator==(const Header&, const Header&) = default;
};
using Headers = std::vector<Header>;

struct RequestHead {
  std::string method;
  std::string target;  // as on the request line
  Headers headers;
};

enum class GateFault : std::uint8_t {
  no_grant,       // 403: no live grant for browsers under this name
  bad_request,    // 400: too many headers, a target that is not in origin-form, a method that no service gets
  wrong_host,     // 421: Host is absent, repeated or not this connection's name with the public port
  entry_refused,  // 403: wrong method, origin, destination or secret
  entry_used,     // 403: the secret was right and was used before
  reserved_path,  // 404: below /.sallyport, and not ours to answer
  foreign_site,   // 403: Sec-Fetch-Site is neither none nor same-origin
  no_session,     // 401: the cookie is absent, repeated or wrong
  wrong_origin,   // 403: a change or an Upgrade without Origin = https:// + Host
};
std::string_view to_string(GateFault fault);

// Answer with the status and close the connection. The body is for people and says nothing that `status` does not.
struct GateRefusal {
  unsigned status = 403;
  GateFault fault = GateFault::no_grant;
};
// Answer with this; the connection goes on.
struct GateAnswer {
  unsigned status = 200;
  Headers headers;
  std::string body;
};
// Send to the application with these headers in place of the request's; who asks is in the grant.
struct GateForward {
  Headers headers;
  AccessGrant grant;
};
using GateDecision = std::variant<GateRefusal, GateAnswer, GateForward>;

// The fields of the entry form, application/x-www-form-urlencoded.
struct EntryForm {
  EntrySecret secret;  // field "secret", base64url
  Bytes sealed_grant;  // field "grant", base64url: direct access without a relay; else empty
};
// Fails with Errc::malformed on another field, a repeated or missing one, or more than kMaxEntryBody.
Result<EntryForm> parse_entry_form(ByteView body);

struct GateSettings {
  std::uint16_t public_port = 443;  // the port that browsers see; part of Host and Origin where it is not 443
};

// Where a connection has come in.
struct Door {
  // NOLINTNEXTLINE(google-explicit-constructor): the name alone is the door of all who come through the relay
  Door(DnsName name, std::optional<std::uint16_t> own_port = std::nullopt)
      : server_name(std::move(name)), port(own_port) {}
  DnsName server_name;                // the inner SNI
  std::optional<std::uint16_t> port;  // that its browser sees; absent: the public one
};

// One per device, for all its connections. One thread.
class EntryGate {
 public:
  // Borrows both for its lifetime.
  EntryGate(const LiveGrants& grants, Random& random, GateSettings settings);

  // Whether the body must be read (kMaxEntryBody at most) and handed to decide() with the head.
  static bool is_entry(const RequestHead& head);
  // `body` is empty but for entry.
  GateDecision decide(const Door& door, const RequestHead& head, ByteView body, UnixTime now,
                      CookiePolicy cookies = CookiePolicy::held);

  // The application's response headers as the browser may have them: Set-Cookie loses Domain, a cookie gets the held
  // prefix with Secure, HttpOnly and Path=/ (one without HttpOnly is set under its own name as well, for scripts), a
  // cookie that would touch ours is dropped, and so is Alt-Svc. CookiePolicy::scripted holds HttpOnly cookies alone.
  static Headers rewrite_response(const Headers& headers, CookiePolicy cookies = CookiePolicy::held);

  // From now on; sessions that entered stay.
  void use_public_port(std::uint16_t port) { settings_.public_port = port; }
  // Forgets the entry of a session that ended.
  void forget(const GrantLabel& label) { entries_.erase(label); }
  std::size_t entered() const { return entries_.size(); }

 private:
  struct Entry {
    GrantId session;
    std::array<std::uint8_t, 32> cookie_hash;
  };

  GateDecision enter(const AccessGrant& grant, const RequestHead& head, ByteView body, UnixTime now);
  bool shows_cookie(const AccessGrant& grant, const RequestHead& head) const;
  void forget_ended(UnixTime now);

  const LiveGrants& grants_;
  Random& random_;
  GateSettings settings_;
  std::map<GrantLabel, Entry> entries_;
};

}  // namespace sallyport::tunnel
