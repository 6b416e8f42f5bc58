#include "relay/redirect.h"

#include <algorithm>

#include "relay/limits.h"

namespace sallyport::relay {
namespace {

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view next_line(std::string_view& rest) {
  const auto end = rest.find("\r\n");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  return line;
}

// The one Host of the head, without its port.
Result<DnsName> find_host(std::string_view fields) {
  std::optional<std::string_view> host;
  while (!fields.empty()) {
    const std::string_view line = next_line(fields);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || lower_case(line.substr(0, colon)) != "host") continue;
    if (host) return fail(Errc::malformed, "redirect: several Host fields, want one");
    host = trim(line.substr(colon + 1));
  }
  if (!host) return fail(Errc::malformed, "redirect: no Host field");
  return parse_dns_name(lower_case(host->substr(0, host->find(':'))));
}

// A target that can stand in a Location: visible ASCII alone.
bool is_plain(std::string_view target) {
  return target.starts_with('/') && std::ranges::all_of(target, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

Result<std::optional<Bytes>> find_redirect(ByteView received, const DnsName& zone, const DnsName& console_name,
                                           std::uint16_t public_port) {
  const std::string_view text = as_text(received);
  const auto end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (text.size() >= kMaxPlainHead) return failf(Errc::malformed, "redirect: head over {} bytes", kMaxPlainHead);
    return std::nullopt;
  }
  std::string_view rest = text.substr(0, end);
  const std::string_view request = next_line(rest);
  const auto first = request.find(' ');
  const auto last = request.rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(Errc::malformed, "redirect: no request line");
  const std::string_view target = request.substr(first + 1, last - first - 1);
  if (!is_plain(target)) return fail(Errc::malformed, "redirect: target is not a plain path");
  TRY(const auto host, find_host(rest));
  const bool ours = host == console_name || host == zone || is_below(host, console_name) || is_below(host, zone);
  if (!ours) return fail(Errc::malformed, "redirect: Host is not ours");
  const std::string port = public_port == 443 ? "" : fmt::format(":{}", public_port);
  return to_bytes(
      fmt::format("HTTP/1.1 308 Permanent Redirect\r\nLocation: https://{}{}{}\r\nContent-Length: 0\r\n"
                  "Connection: close\r\n\r\n",
                  host.get(), port, target));
}

}  // namespace sallyport::relay
