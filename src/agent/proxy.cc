#include "agent/proxy.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "codec/text.h"
#include "http/message.h"
#include "tunnel/limits.h"

namespace sallyport::agent {
namespace {

constexpr std::string_view kWantProxy =
    "want HOST:PORT, http://USER:PASSWORD@HOST:PORT or socks5://USER:PASSWORD@HOST:PORT, user and password "
    "percent-encoded";

struct Scheme {
  std::string_view text;
  ProxyKind kind;
  std::uint16_t port;
};
constexpr std::array kSchemes = {Scheme{"http://", ProxyKind::http, kHttpProxyPort},
                                 Scheme{"socks5://", ProxyKind::socks5, kSocksProxyPort},
                                 Scheme{"socks5h://", ProxyKind::socks5, kSocksProxyPort}};

// The one that `text` begins with; the first where it names none; null for another.
const Scheme* find_scheme(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos) return kSchemes.begin();
  const auto* found = std::ranges::find(kSchemes, codec::lower_case(text.substr(0, end + 3)), &Scheme::text);
  return found == kSchemes.end() ? nullptr : found;
}

struct LoginWord {
  std::string_view word;
  tunnel::LoginRule rule;
};
constexpr std::array kLoginWords = {LoginWord{"any", tunnel::LoginRule::any},
                                    LoginWord{"digest", tunnel::LoginRule::digest_alone},
                                    LoginWord{"basic", tunnel::LoginRule::basic_at_once}};

static_assert(kMaxProxyCredential <= tunnel::kMaxSocksText);

// To proxies of either kind, so that a login means the same to both.
bool can_be_said(const tunnel::ProxyCredentials& credentials) {
  return credentials.user.size() <= kMaxProxyCredential && credentials.password.size() <= kMaxProxyCredential &&
         tunnel::check_proxy_credentials(credentials).has_value();
}

std::optional<tunnel::ProxyCredentials> parse_userinfo(std::string_view text) {
  const std::size_t colon = text.find(':');
  auto user = http::percent_decode(text.substr(0, colon));
  auto password = http::percent_decode(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  if (!user || user->empty() || !password) return std::nullopt;
  tunnel::ProxyCredentials out{.user = *std::move(user), .password = SecretBytes(std::string_view(*password))};
  wipe({reinterpret_cast<std::uint8_t*>(password->data()), password->size()});
  if (!can_be_said(out)) return std::nullopt;
  return out;
}

bool share_bits(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b, unsigned bits) {
  const unsigned whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

std::optional<unsigned> parse_number(std::string_view text, unsigned most) {
  unsigned out = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || fault != std::errc() || end != text.data() + text.size() || out > most) return std::nullopt;
  return out;
}

}  // namespace

Result<Proxy> parse_proxy(std::string_view text) {
  const auto refuse = [] { return fail(Errc::malformed, std::string(kWantProxy)); };
  if (text.size() > kMaxProxyText) return refuse();
  const Scheme* const scheme = find_scheme(text);
  if (scheme == nullptr) return refuse();
  const bool has_scheme = text.contains("://");
  if (has_scheme) text.remove_prefix(scheme->text.size());
  if (text.ends_with('/')) text.remove_suffix(1);
  Proxy out{.address = {}, .credentials = nullptr, .kind = scheme->kind};
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    // What belongs to a URL's path would be taken for a part of the password.
    if (text.substr(0, at).find_first_of("/?#@") != std::string_view::npos) return refuse();
    auto credentials = parse_userinfo(text.substr(0, at));
    if (!credentials || (out.kind == ProxyKind::socks5 && credentials->password.empty())) return refuse();
    out.credentials = std::make_shared<const tunnel::ProxyCredentials>(*std::move(credentials));
    text.remove_prefix(at + 1);
  }
  auto address = net::parse_address(text);
  if (!address && has_scheme) address = net::parse_address(fmt::format("{}:{}", text, scheme->port));
  if (!address || address->port == 0) return refuse();
  out.address = *std::move(address);
  return out;
}

std::string encode_proxy(const Proxy& proxy) {
  const std::string address = net::to_string(proxy.address);
  if (!proxy.credentials && proxy.kind == ProxyKind::http) return address;
  std::string out(std::ranges::find(kSchemes, proxy.kind, &Scheme::kind)->text);
  if (!proxy.credentials) return out + address;
  out += http::percent_encode(proxy.credentials->user);
  out += ':';
  out += http::percent_encode(as_text(proxy.credentials->password.expose()));
  return out + "@" + address;
}

std::optional<tunnel::LoginRule> find_login_rule(std::string_view word) {
  const auto* const found = std::ranges::find(kLoginWords, word, &LoginWord::word);
  return found == kLoginWords.end() ? std::nullopt : std::optional(found->rule);
}

std::string_view to_word(tunnel::LoginRule rule) {
  return std::ranges::find(kLoginWords, rule, &LoginWord::rule)->word;
}

Result<tunnel::ProxyCredentials> parse_proxy_credentials(ByteView file) {
  constexpr std::string_view kWant = "want one line USER:PASSWORD";
  std::string_view line = as_text(file);
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t colon = line.find(':');
  if (line.size() > kMaxProxyText || colon == std::string_view::npos || colon == 0)
    return fail(Errc::malformed, std::string(kWant));
  tunnel::ProxyCredentials out{.user = std::string(line.substr(0, colon)),
                               .password = SecretBytes(line.substr(colon + 1))};
  if (!can_be_said(out)) return fail(Errc::malformed, std::string(kWant));
  return out;
}

NoProxy::Entry NoProxy::read_entry(std::string_view text) {
  Entry out;
  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && (text.find(':') == colon || text[colon - 1] == ']');
  if (has_port) {
    const auto port = parse_number(text.substr(colon + 1), 65'535);
    if (!port || *port == 0) return {};
    out.port = static_cast<std::uint16_t>(*port);
    text = text.substr(0, colon);
  }
  const std::size_t slash = text.find('/');
  std::string host(text.substr(0, slash));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto ip = net::find_ip_octets(host);
  if (!ip) {
    if (text.starts_with('*')) text.remove_prefix(1);
    if (text.starts_with('.')) text.remove_prefix(1);
    out.name = text;
    return out;
  }
  out.network = *ip;
  out.bits = 8 * static_cast<unsigned>(ip->size);
  if (slash == std::string_view::npos) return out;
  const auto bits = parse_number(text.substr(slash + 1), out.bits);
  if (!bits) return {};
  out.bits = *bits;
  return out;
}

Result<NoProxy> NoProxy::parse(std::string_view list) {
  NoProxy out;
  out.meets_loopback_ = true;
  const std::string text = codec::lower_case(list);
  constexpr std::string_view kBetween = ", \t";
  std::size_t at = text.find_first_not_of(kBetween);
  while (at != std::string::npos) {
    const std::size_t end = text.find_first_of(kBetween, at);
    const std::string_view entry = std::string_view(text).substr(at, end == std::string::npos ? end : end - at);
    if (out.entries_.size() == kMaxNoProxyEntries)
      return failf(Errc::overloaded, "no proxy: over {} entries", kMaxNoProxyEntries);
    if (entry == "*") {
      out.is_all_ = true;
    } else if (Entry one = read_entry(entry); one.network.size != 0 || !one.name.empty()) {
      out.entries_.push_back(std::move(one));
    }
    at = end == std::string::npos ? end : text.find_first_not_of(kBetween, end);
  }
  return out;
}

bool NoProxy::matches(const net::Address& target) const {
  if (is_all_) return true;
  if (meets_loopback_ && (net::is_loopback(target) || target.host == "localhost")) return true;
  const auto ip = net::find_ip_octets(target.host);
  return std::ranges::any_of(entries_, [&](const Entry& entry) {
    if (entry.port != 0 && entry.port != target.port) return false;
    if (ip) return entry.network.size == ip->size && share_bits(entry.network.octets, ip->octets, entry.bits);
    if (entry.name.empty() || !target.host.ends_with(entry.name)) return false;
    const std::size_t before = target.host.size() - entry.name.size();
    return before == 0 || target.host[before - 1] == '.';
  });
}

}  // namespace sallyport::agent
