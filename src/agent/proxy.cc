#include "agent/proxy.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace sallyport::agent {
namespace {

constexpr std::string_view kWantProxy =
    "want HOST:PORT or http://USER:PASSWORD@HOST:PORT, user and password percent-encoded";
constexpr std::string_view kScheme = "http://";
constexpr std::string_view kHexDigits = "0123456789ABCDEF";

std::string in_lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::optional<unsigned> hex_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

// RFC 3986 §2.1.
std::optional<Bytes> decode_percent(std::string_view text) {
  Bytes out;
  out.reserve(text.size());  // nothing of a secret is left behind by growing
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out.push_back(static_cast<std::uint8_t>(text[at]));
      continue;
    }
    if (at + 2 >= text.size()) return std::nullopt;
    const auto high = hex_value(text[at + 1]);
    const auto low = hex_value(text[at + 2]);
    if (!high || !low) return std::nullopt;
    out.push_back(static_cast<std::uint8_t>(*high << 4U | *low));
    at += 2;
  }
  return out;
}

void append_percent(std::string& out, std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
  };
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    out += '%';
    out += kHexDigits[octet >> 4U];
    out += kHexDigits[octet & 15U];
  }
}

bool can_be_said(const tunnel::ProxyCredentials& credentials) {
  return credentials.user.size() <= kMaxProxyCredential && credentials.password.size() <= kMaxProxyCredential &&
         tunnel::encode_proxy_authorization(&credentials).has_value();
}

std::optional<tunnel::ProxyCredentials> parse_userinfo(std::string_view text) {
  const std::size_t colon = text.find(':');
  auto user = decode_percent(text.substr(0, colon));
  auto password = decode_percent(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  if (!user || user->empty() || !password) return std::nullopt;
  tunnel::ProxyCredentials out{.user = std::string(as_text(*user)), .password = SecretBytes(*std::move(password))};
  if (!can_be_said(out)) return std::nullopt;
  return out;
}

// The octets of an IP address; 0 when it is none.
unsigned parse_ip(const std::string& text, std::array<std::uint8_t, 16>& into) {
  if (::inet_pton(AF_INET, text.c_str(), into.data()) == 1) return 4;
  if (::inet_pton(AF_INET6, text.c_str(), into.data()) == 1) return 16;
  return 0;
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
  bool has_scheme = false;
  if (const std::size_t end = text.find("://"); end != std::string_view::npos) {
    if (in_lower_case(text.substr(0, end + 3)) != kScheme) return refuse();
    text.remove_prefix(kScheme.size());
    has_scheme = true;
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  Proxy out;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    // What belongs to a URL's path would be taken for a part of the password.
    if (text.substr(0, at).find_first_of("/?#@") != std::string_view::npos) return refuse();
    auto credentials = parse_userinfo(text.substr(0, at));
    if (!credentials) return refuse();
    out.credentials = std::make_shared<const tunnel::ProxyCredentials>(*std::move(credentials));
    text.remove_prefix(at + 1);
  }
  auto address = net::parse_address(text);
  if (!address && has_scheme) address = net::parse_address(fmt::format("{}:{}", text, kHttpProxyPort));
  if (!address || address->port == 0) return refuse();
  out.address = *std::move(address);
  return out;
}

std::string encode_proxy(const Proxy& proxy) {
  const std::string address = net::to_string(proxy.address);
  if (!proxy.credentials) return address;
  std::string out(kScheme);
  append_percent(out, proxy.credentials->user);
  out += ':';
  append_percent(out, as_text(proxy.credentials->password.expose()));
  return out + "@" + address;
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
  out.size = parse_ip(host, out.network);
  if (out.size == 0) {
    if (text.starts_with('*')) text.remove_prefix(1);
    if (text.starts_with('.')) text.remove_prefix(1);
    out.name = text;
    return out;
  }
  out.bits = out.size * 8;
  if (slash == std::string_view::npos) return out;
  const auto bits = parse_number(text.substr(slash + 1), out.bits);
  if (!bits) return {};
  out.bits = *bits;
  return out;
}

Result<NoProxy> NoProxy::parse(std::string_view list) {
  NoProxy out;
  out.meets_loopback_ = true;
  const std::string text = in_lower_case(list);
  constexpr std::string_view kBetween = ", \t";
  std::size_t at = text.find_first_not_of(kBetween);
  while (at != std::string::npos) {
    const std::size_t end = text.find_first_of(kBetween, at);
    const std::string_view entry = std::string_view(text).substr(at, end == std::string::npos ? end : end - at);
    if (out.entries_.size() == kMaxNoProxyEntries)
      return failf(Errc::overloaded, "no proxy: over {} entries", kMaxNoProxyEntries);
    if (entry == "*") {
      out.is_all_ = true;
    } else if (Entry one = read_entry(entry); one.size != 0 || !one.name.empty()) {
      out.entries_.push_back(std::move(one));
    }
    at = end == std::string::npos ? end : text.find_first_not_of(kBetween, end);
  }
  return out;
}

bool NoProxy::matches(const net::Address& target) const {
  if (is_all_) return true;
  if (meets_loopback_ && (net::is_loopback(target) || target.host == "localhost")) return true;
  std::array<std::uint8_t, 16> octets{};
  const unsigned size = parse_ip(target.host, octets);
  return std::ranges::any_of(entries_, [&](const Entry& entry) {
    if (entry.port != 0 && entry.port != target.port) return false;
    if (size != 0) return entry.size == size && share_bits(entry.network, octets, entry.bits);
    if (entry.name.empty() || !target.host.ends_with(entry.name)) return false;
    const std::size_t before = target.host.size() - entry.name.size();
    return before == 0 || target.host[before - 1] == '.';
  });
}

}  // namespace sallyport::agent
