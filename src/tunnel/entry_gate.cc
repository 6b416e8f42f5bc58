#include "tunnel/entry_gate.h"

#include <algorithm>
#include <utility>

#include "codec/text.h"
#include "crypto/hash.h"
#include "tunnel/detail/cookies.h"
#include "tunnel/detail/http_text.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

// A redirect would be part of the console's cross-site navigation and arrive without a SameSite=Strict cookie; a
// refresh is the device's own.
constexpr std::string_view kEnteredPage =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Opening</title>"
    "<meta http-equiv=\"refresh\" content=\"0;url=/\"></head><body><p><a href=\"/\">Continue</a></p></body></html>\n";

constexpr std::string_view kOriginScheme = "https://";

GateRefusal refuse(unsigned status, GateFault fault) {
  return {.status = status, .fault = fault};
}

std::vector<std::string_view> find_values(const Headers& headers, std::string_view name) {
  std::vector<std::string_view> out;
  for (const Header& header : headers) {
    if (equal_ignoring_case(header.name, name)) out.push_back(trim(header.value));
  }
  return out;
}

// Whether the header is there exactly once, with exactly this value.
bool is_exactly(const Headers& headers, std::string_view name, std::string_view value) {
  const auto values = find_values(headers, name);
  return values.size() == 1 && values.front() == value;
}

bool is_absent_or(const Headers& headers, std::string_view name, std::string_view value) {
  return find_values(headers, name).empty() || is_exactly(headers, name, value);
}

// origin-form of RFC 9112 §3.2.1, without what no browser sends.
bool is_origin_form(std::string_view target) {
  return target.starts_with('/') && std::ranges::all_of(target, [](char c) {
           return static_cast<unsigned char>(c) > 0x20 && c != 0x7F && c != '#';
         });
}

bool is_served_method(std::string_view method) {
  return is_token(method) && !equal_ignoring_case(method, "CONNECT") && !equal_ignoring_case(method, "TRACE");
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool may_escape = text[i] == '%' && i + 2 < text.size();
    const auto high = may_escape ? codec::hex_digit(text[i + 1]) : std::nullopt;
    const auto low = may_escape ? codec::hex_digit(text[i + 2]) : std::nullopt;
    if (!high || !low) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

// Whether an application might read `path` as one below /.sallyport: after percent-decoding, dot segments, repeated
// slashes, backslashes, parameters and without regard to case.
bool is_reserved(std::string_view path) {
  std::string decoded = codec::lower_case(percent_decode(path));
  std::ranges::replace(decoded, '\\', '/');
  std::vector<std::string_view> segments;
  std::string_view rest = decoded;
  while (!rest.empty()) {
    std::string_view segment = take_until(rest, '/');
    segment = segment.substr(0, segment.find(';'));
    if (segment.empty() || segment == ".") continue;
    if (segment == "..") {
      if (!segments.empty()) segments.pop_back();
    } else {
      segments.push_back(segment);
    }
  }
  return !segments.empty() && segments.front() == kReservedPrefix.substr(1);
}

bool asks_upgrade(const Headers& headers) {
  if (!find_values(headers, "Upgrade").empty()) return true;
  for (const std::string_view value : find_values(headers, "Connection")) {
    std::string_view rest = value;
    while (!rest.empty()) {
      if (equal_ignoring_case(trim(take_until(rest, ',')), "upgrade")) return true;
    }
  }
  return false;
}

// What only the agent may say to an application. '_' counts as '-', because CGI and its heirs cannot tell them apart.
bool is_stripped(std::string_view name) {
  std::string lower = codec::lower_case(name);
  std::ranges::replace(lower, '_', '-');
  return lower == "forwarded" || lower.starts_with("x-forwarded-") || lower == "x-forwarded" ||
         lower.starts_with("x-sallyport-") || lower == "x-sallyport";
}

Headers forwarded_headers(const Headers& headers, const std::vector<CookiePair>& cookies, CookiePolicy policy) {
  Headers out;
  bool cookie_written = false;
  for (const Header& header : headers) {
    if (is_stripped(header.name)) continue;
    if (!equal_ignoring_case(header.name, "Cookie")) {
      out.push_back(header);
    } else if (!std::exchange(cookie_written, true)) {
      if (std::string restored = restore_cookies(cookies, policy); !restored.empty())
        out.push_back({.name = "Cookie", .value = std::move(restored)});
    }
  }
  return out;
}

GateAnswer entry_page(const std::string& cookie) {
  return {.status = 200,
          .headers = {{"Content-Type", "text/html; charset=utf-8"},
                      {"Cache-Control", "no-store"},
                      {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
                      {"Referrer-Policy", "no-referrer"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Set-Cookie",
                       fmt::format("{}={}; Path=/; Secure; HttpOnly; SameSite=Strict", kSessionCookie, cookie)}},
          .body = std::string(kEnteredPage)};
}

}  // namespace

std::string_view to_string(GateFault fault) {
  switch (fault) {
    case GateFault::no_grant:
      return "no_grant";
    case GateFault::bad_request:
      return "bad_request";
    case GateFault::wrong_host:
      return "wrong_host";
    case GateFault::entry_refused:
      return "entry_refused";
    case GateFault::entry_used:
      return "entry_used";
    case GateFault::reserved_path:
      return "reserved_path";
    case GateFault::foreign_site:
      return "foreign_site";
    case GateFault::no_session:
      return "no_session";
    case GateFault::wrong_origin:
      return "wrong_origin";
  }
  return "unknown";
}

Result<EntryForm> parse_entry_form(ByteView body) {
  if (body.size() > kMaxEntryBody)
    return failf(Errc::malformed, "entry form: {} bytes, want at most {}", body.size(), kMaxEntryBody);
  std::optional<EntrySecret> secret;
  std::optional<Bytes> grant;
  std::string_view rest = as_text(body);
  while (!rest.empty()) {
    std::string_view value = take_until(rest, '&');
    const std::string_view name = take_until(value, '=');
    if (name == "secret" && !secret) {
      SecretBytes decoded;
      TRY(auto bytes, codec::decode_base64url(value));
      decoded = SecretBytes(std::move(bytes));
      TRY(auto exact, EntrySecret::from(decoded.expose()));
      secret = std::move(exact);
    } else if (name == "grant" && !grant) {
      TRY(grant, codec::decode_base64url(value));
      if (grant->empty() || grant->size() > kMaxSealedGrant)
        return failf(Errc::malformed, "entry form: grant of {} bytes, want 1 to {}", grant->size(), kMaxSealedGrant);
    } else {
      return fail(Errc::malformed, "entry form: an unknown or repeated field");
    }
  }
  if (!secret) return fail(Errc::malformed, "entry form: no secret");
  return EntryForm{.secret = std::move(*secret), .sealed_grant = std::move(grant).value_or(Bytes())};
}

EntryGate::EntryGate(const LiveGrants& grants, Random& random, GateSettings settings)
    : grants_(grants), random_(random), settings_(settings) {}

bool EntryGate::is_entry(const RequestHead& head) {
  return head.method == "POST" && head.target == kEntryPath;
}

GateDecision EntryGate::decide(const Door& door, const RequestHead& head, ByteView body, UnixTime now,
                               CookiePolicy policy) {
  if (head.headers.size() > kMaxRequestHeaders || !is_served_method(head.method) || !is_origin_form(head.target))
    return refuse(400, GateFault::bad_request);
  const auto grant = grants_.find(door.server_name, now);
  if (!grant || grant->proof_kind != ProofKind::entry_secret) return refuse(403, GateFault::no_grant);
  const std::string origin = encode_origin(door.server_name, door.port.value_or(settings_.public_port));
  const std::string_view host = std::string_view(origin).substr(kOriginScheme.size());
  if (!is_exactly(head.headers, "Host", host)) return refuse(421, GateFault::wrong_host);

  const std::string_view path = std::string_view(head.target).substr(0, head.target.find('?'));
  if (path == kEntryPath) return enter(*grant, head, body, now);
  if (is_reserved(path)) return refuse(404, GateFault::reserved_path);

  if (!is_absent_or(head.headers, "Sec-Fetch-Site", "same-origin") &&
      !is_absent_or(head.headers, "Sec-Fetch-Site", "none"))
    return refuse(403, GateFault::foreign_site);
  if (!shows_cookie(*grant, head)) return refuse(401, GateFault::no_session);
  const bool changes = head.method != "GET" && head.method != "HEAD";
  if ((changes || asks_upgrade(head.headers)) && !is_exactly(head.headers, "Origin", origin))
    return refuse(403, GateFault::wrong_origin);

  const auto cookies = parse_cookies(head.headers);
  return GateForward{.headers = forwarded_headers(head.headers, *cookies, policy), .grant = *grant};
}

GateDecision EntryGate::enter(const AccessGrant& grant, const RequestHead& head, ByteView body, UnixTime now) {
  if (!is_entry(head) || !is_exactly(head.headers, "Origin", grant.console_origin) ||
      !is_absent_or(head.headers, "Sec-Fetch-Mode", "navigate") ||
      !is_absent_or(head.headers, "Sec-Fetch-Dest", "document") ||
      !is_exactly(head.headers, "Content-Type", "application/x-www-form-urlencoded"))
    return refuse(403, GateFault::entry_refused);
  const auto form = parse_entry_form(body);
  if (!form || !equal_constant_time(crypto::sha256(form->secret.expose()), grant.proof_hash))
    return refuse(403, GateFault::entry_refused);
  if (entries_.size() >= kMaxLiveGrants) forget_ended(now);
  Bytes cookie = random_.bytes(kEntrySecretSize);
  const bool first =
      entries_.try_emplace(grant.label, Entry{.session = grant.session(), .cookie_hash = crypto::sha256(cookie)})
          .second;
  if (!first) return refuse(403, GateFault::entry_used);
  GateAnswer answer = entry_page(codec::encode_base64url(cookie));
  wipe(cookie);
  return answer;
}

bool EntryGate::shows_cookie(const AccessGrant& grant, const RequestHead& head) const {
  const auto entry = entries_.find(grant.label);
  if (entry == entries_.end() || entry->second.session != grant.session()) return false;
  const auto cookies = parse_cookies(head.headers);
  if (!cookies || std::ranges::count(*cookies, kSessionCookie, &CookiePair::name) != 1) return false;
  const auto shown = std::ranges::find(*cookies, kSessionCookie, &CookiePair::name);
  const auto value = codec::decode_base64url(shown->value);
  return value && equal_constant_time(crypto::sha256(*value), entry->second.cookie_hash);
}

void EntryGate::forget_ended(UnixTime now) {
  const DnsName below = under(grants_.device().get(), grants_.zone());
  std::erase_if(entries_, [&](const auto& entry) {
    const auto live = grants_.find(under(entry.first.get(), below), now);
    return !live || live->session() != entry.second.session;
  });
}

Headers EntryGate::rewrite_response(const Headers& headers, CookiePolicy policy) {
  Headers out;
  for (const Header& header : headers) {
    if (equal_ignoring_case(header.name, "Alt-Svc")) continue;
    if (!equal_ignoring_case(header.name, "Set-Cookie")) {
      out.push_back(header);
      continue;
    }
    for (std::string& value : rewrite_set_cookie(header.value, policy))
      out.push_back({.name = "Set-Cookie", .value = std::move(value)});
  }
  return out;
}

}  // namespace sallyport::tunnel
