#include "base/names.h"

#include <algorithm>
#include <array>

namespace sallyport {
namespace {

constexpr std::size_t kMaxLabelLength = 63;
constexpr std::size_t kMaxNameLength = 253;
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

Result<std::string> parse_label(std::string_view text, std::string_view what, std::size_t max_length) {
  if (text.empty()) return failf(Errc::malformed, "{}: empty, want 1 to {} characters", what, max_length);
  if (text.size() > max_length)
    return failf(Errc::malformed, "{}: {} characters, want at most {}", what, text.size(), max_length);
  if (text.front() == '-' || text.back() == '-') return failf(Errc::malformed, "{}: begins or ends with '-'", what);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_lower_alnum(text[i]) && text[i] != '-') {
      return failf(Errc::malformed, "{}: character {:#04x} at {}, want a-z, 0-9 or '-'", what,
                   static_cast<unsigned char>(text[i]), i);
    }
  }
  return std::string(text);
}

Result<std::string> parse_base32(std::string_view text, std::string_view what, std::size_t length) {
  if (text.size() != length) return failf(Errc::malformed, "{}: {} characters, want {}", what, text.size(), length);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (kBase32.find(text[i]) == std::string_view::npos) {
      return failf(Errc::malformed, "{}: character {:#04x} at {}, want a-z or 2-7", what,
                   static_cast<unsigned char>(text[i]), i);
    }
  }
  return std::string(text);
}

std::string draw_base32(Random& random, std::size_t length) {
  std::string out;
  for (std::size_t i = 0; i < length; ++i) out += kBase32[random.below(kBase32.size())];
  return out;
}

}  // namespace

Result<SerialId> parse_serial_id(std::string_view text) {
  TRY(auto label, parse_label(text, "serial id", kMaxLabelLength));
  return SerialId(std::move(label));
}

Result<SiteName> parse_site_name(std::string_view text) {
  TRY(auto label, parse_label(text, "site name", kMaxLabelLength));
  return SiteName(std::move(label));
}

Result<DeviceName> parse_device_name(std::string_view text) {
  TRY(auto name, parse_base32(text, "device name", kDeviceNameLength));
  return DeviceName(std::move(name));
}

Result<GrantLabel> parse_grant_label(std::string_view text) {
  TRY(auto label, parse_base32(text, "grant label", kGrantLabelLength));
  return GrantLabel(std::move(label));
}

Result<ServiceName> parse_service_name(std::string_view text) {
  TRY(auto label, parse_label(text, "service name", kServiceNameMaxLength));
  return ServiceName(std::move(label));
}

Result<DnsName> parse_dns_name(std::string_view text) {
  if (text.size() > kMaxNameLength) {
    return failf(Errc::malformed, "DNS name: {} characters, want at most {}", text.size(), kMaxNameLength);
  }
  std::string_view rest = text;
  for (;;) {
    const std::size_t dot = rest.find('.');
    TRY_VOID(parse_label(rest.substr(0, dot), "DNS label", kMaxLabelLength));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  return DnsName(std::string(text));
}

DeviceName draw_device_name(Random& random) {
  return DeviceName(draw_base32(random, kDeviceNameLength));
}
GrantLabel draw_grant_label(Random& random) {
  return GrantLabel(draw_base32(random, kGrantLabelLength));
}

bool is_below(const DnsName& name, const DnsName& zone) {
  const std::string& n = name.get();
  const std::string& z = zone.get();
  return n.size() > z.size() + 1 && n.ends_with(z) && n[n.size() - z.size() - 1] == '.';
}

DnsName under(std::string_view label, const DnsName& zone) {
  return DnsName(std::string(label) + "." + zone.get());
}

bool is_reserved_label(std::string_view label) {
  constexpr std::array<std::string_view, 6> reserved = {"gateway", "console", "relay", "status", "factory", "internal"};
  return std::ranges::find(reserved, label) != reserved.end();
}

}  // namespace sallyport
