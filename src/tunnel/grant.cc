#include "tunnel/grant.h"

#include <algorithm>

#include "codec/tlv.h"
#include "tunnel/detail/http_text.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

constexpr std::string_view kWhere = "access grant";
constexpr std::string_view kHttps = "https://";

// docs/protocol/tunnel.md §6 lists these.
enum Tag : std::uint16_t {
  grant_id = 1,
  renews = 2,
  user_id = 3,
  user_display = 4,
  device = 5,
  service = 6,
  proof_kind = 7,
  proof_hash = 8,
  label = 9,
  console_origin = 10,
  issued = 11,
  expires = 12,
  session_end = 13,
};

// A name whose own parser judges it.
template <class T>
Result<T> parse_name(codec::TlvReader& reader, Tag tag, Result<T> (*parse)(std::string_view)) {
  TRY(auto text, reader.text(tag));
  return parse(text);
}

Result<void> check_life(const AccessGrant& grant) {
  const seconds life = grant.expires - grant.issued;
  if (life <= seconds(0) || life > kMaxGrantLife)
    return failf(Errc::malformed, "{}: life of {} s, want 1 to {}", kWhere, life.count(), kMaxGrantLife.count());
  const seconds session = grant.session_end - grant.issued;
  if (grant.session_end < grant.expires || session > kMaxSessionLife)
    return failf(Errc::malformed, "{}: session ends {} s after issue, want from the expiry to {}", kWhere,
                 session.count(), kMaxSessionLife.count());
  return {};
}

// Everything that parse_grant demands of a value, for both directions.
Result<void> check_fields(const AccessGrant& grant) {
  if (grant.issued.since_epoch() < 0 || grant.session_end > kNoExpiry)
    return failf(Errc::malformed, "{}: a time outside 1970 to 9999", kWhere);
  TRY_VOID(check_life(grant));
  if (grant.user_id.empty() || grant.user_id.size() > kMaxUserIdText)
    return failf(Errc::malformed, "{}: user id of {} bytes, want 1 to {}", kWhere, grant.user_id.size(),
                 kMaxUserIdText);
  if (grant.user_display.size() > kMaxUserDisplayText)
    return failf(Errc::malformed, "{}: display name of {} bytes, want at most {}", kWhere, grant.user_display.size(),
                 kMaxUserDisplayText);
  if (grant.renews && *grant.renews == grant.id) return failf(Errc::malformed, "{}: renews itself", kWhere);
  if (!is_https_origin(grant.console_origin)) return failf(Errc::malformed, "{}: console is no https origin", kWhere);
  return {};
}

}  // namespace

GrantId draw_grant_id(Random& random) {
  return GrantId(random.array<kGrantIdSize>());
}

Bytes encode_grant(const AccessGrant& grant) {
  SALLYPORT_CHECK(check_fields(grant).has_value());
  codec::TlvWriter writer;
  writer.bytes(grant_id, grant.id.get());
  if (grant.renews) writer.bytes(renews, grant.renews->get());
  writer.text(user_id, grant.user_id)
      .text(user_display, grant.user_display)
      .text(device, grant.device.get())
      .text(service, grant.service.get())
      .u8(proof_kind, static_cast<std::uint8_t>(grant.proof_kind))
      .bytes(proof_hash, grant.proof_hash)
      .text(label, grant.label.get())
      .text(console_origin, grant.console_origin)
      .time(issued, grant.issued)
      .time(expires, grant.expires)
      .time(session_end, grant.session_end);
  return std::move(writer).take();
}

Result<AccessGrant> parse_grant(ByteView payload) {
  codec::TlvReader reader(payload, kWhere);
  AccessGrant grant;
  TRY(auto id, reader.array<kGrantIdSize>(grant_id));
  grant.id = GrantId(id);
  if (reader.next_is(renews)) {
    TRY(auto first, reader.array<kGrantIdSize>(renews));
    grant.renews = GrantId(first);
  }
  TRY(grant.user_id, reader.text(user_id));
  TRY(grant.user_display, reader.text(user_display));
  TRY(grant.device, parse_name(reader, device, parse_device_name));
  TRY(grant.service, parse_name(reader, service, parse_service_name));
  TRY(auto kind, reader.u8(proof_kind));
  if (kind != static_cast<std::uint8_t>(ProofKind::entry_secret) &&
      kind != static_cast<std::uint8_t>(ProofKind::client_key))
    return failf(Errc::malformed, "{}: proof kind {}, want 1 or 2", kWhere, kind);
  grant.proof_kind = static_cast<ProofKind>(kind);
  TRY(grant.proof_hash, reader.array<32>(proof_hash));
  TRY(grant.label, parse_name(reader, label, parse_grant_label));
  TRY(grant.console_origin, reader.text(console_origin));
  TRY(grant.issued, reader.time(issued));
  TRY(grant.expires, reader.time(expires));
  TRY(grant.session_end, reader.time(session_end));
  TRY_VOID(reader.finish());
  TRY_VOID(check_fields(grant));
  return grant;
}

Result<void> check_grant(const AccessGrant& grant, const DeviceName& device, UnixTime now) {
  if (grant.device != device) return failf(Errc::unauthorized, "{}: for another device", kWhere);
  if (now < grant.issued - kGrantClockTolerance)
    return failf(Errc::not_yet, "{}: issued {} s from now", kWhere, (grant.issued - now).count());
  if (now >= grant.expires + kGrantClockTolerance)
    return failf(Errc::expired, "{}: expired {} s ago", kWhere, (now - grant.expires).count());
  return {};
}

Result<void> check_renewal(const AccessGrant& current, const AccessGrant& next) {
  const auto differs = [](std::string_view what) {
    return failf(Errc::conflict, "grant renewal: {} differs from the live grant's", what);
  };
  if (next.session() != current.session()) return differs("session");
  if (next.user_id != current.user_id) return differs("user");
  if (next.device != current.device) return differs("device");
  if (next.service != current.service) return differs("service");
  if (next.proof_kind != current.proof_kind || next.proof_hash != current.proof_hash) return differs("proof");
  if (next.label != current.label) return differs("label");
  if (next.console_origin != current.console_origin) return differs("console origin");
  if (next.session_end > current.session_end)
    return fail(Errc::conflict, "grant renewal: ends the session later than the live grant does");
  if (next.expires < current.expires)
    return fail(Errc::conflict, "grant renewal: expires earlier than the live grant does");
  return {};
}

DnsName grant_host(const AccessGrant& grant, const DnsName& zone) {
  return under(grant.label.get(), under(grant.device.get(), zone));
}

std::optional<GrantLabel> find_label(const DnsName& host, const DeviceName& device, const DnsName& zone) {
  const std::string_view text = host.get();
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos || text.substr(dot + 1) != under(device.get(), zone).get()) return std::nullopt;
  auto label = parse_grant_label(text.substr(0, dot));
  return label ? std::optional(*std::move(label)) : std::nullopt;
}

std::string encode_origin(const DnsName& host, std::uint16_t port) {
  return port == kHttpsPort ? fmt::format("{}{}", kHttps, host.get())
                            : fmt::format("{}{}:{}", kHttps, host.get(), port);
}

bool is_https_origin(std::string_view text) {
  if (!text.starts_with(kHttps) || text.size() > kMaxOriginText) return false;
  text.remove_prefix(kHttps.size());
  const std::size_t colon = text.find(':');
  if (!parse_dns_name(text.substr(0, colon))) return false;
  if (colon == std::string_view::npos) return true;
  const std::string_view digits = text.substr(colon + 1);
  if (digits.empty() || digits.size() > 5 || digits.front() == '0') return false;
  unsigned port = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  return port <= 65'535 && port != kHttpsPort;
}

}  // namespace sallyport::tunnel
