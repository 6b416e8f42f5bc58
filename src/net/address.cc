#include "net/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/names.h"

namespace sallyport::net {
namespace {

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return fail(Errc::malformed, "address: port is no number from 0 to 65535");
  }
  return port;
}

}  // namespace

std::optional<IpOctets> find_ip_octets(const std::string& host) {
  IpOctets out;
  for (const auto& [family, size] : {std::pair(AF_INET, std::size_t{4}), std::pair(AF_INET6, std::size_t{16})}) {
    out.size = size;
    if (::inet_pton(family, host.c_str(), out.octets.data()) == 1) return out;
  }
  return std::nullopt;
}

std::string to_string(const IpOctets& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = address.size == 4 ? AF_INET : AF_INET6;
  return ::inet_ntop(family, address.octets.data(), text.data(), text.size());
}

Result<Address> parse_address(std::string_view text) {
  if (text.size() > 300 || text.find('\0') != std::string_view::npos) return fail(Errc::malformed, "address: too long");
  const bool bracketed = text.starts_with('[');
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return fail(Errc::malformed, "address: no port, want host:port");
  TRY(const auto port, parse_port(text.substr(colon + 1)));
  auto host = std::string(text.substr(0, colon));
  if (bracketed) {
    if (!host.ends_with(']')) return fail(Errc::malformed, "address: '[' without ']'");
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string::npos) return fail(Errc::malformed, "address: no IPv6 address in brackets");
  } else if (host.find(':') != std::string::npos) {
    return fail(Errc::malformed, "address: IPv6 address without brackets");
  }
  if (const auto ip = find_ip_octets(host)) return Address{.host = to_string(*ip), .port = port};
  if (bracketed) return fail(Errc::malformed, "address: no IPv6 address in brackets");
  std::ranges::transform(host, host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  TRY(const auto name, parse_dns_name(host));
  if (std::ranges::all_of(host, [](char c) { return c == '.' || (c >= '0' && c <= '9'); })) {
    return fail(Errc::malformed, "address: neither an IP address nor a name");
  }
  return Address{.host = name.get(), .port = port};
}

std::string to_string(const Address& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", address.host, address.port) : fmt::format("{}:{}", address.host, address.port);
}

bool is_ip(std::string_view host) {
  return find_ip_octets(std::string(host)).has_value();
}

bool is_loopback(const Address& address) {
  return address.host == "::1" || (is_ip(address.host) && address.host.starts_with("127."));
}

}  // namespace sallyport::net
