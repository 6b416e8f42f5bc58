#include "http/detail/head_check.h"

#include <algorithm>

#include "http/limits.h"

namespace sallyport::http {
namespace {

constexpr std::size_t kMaxLengthDigits = 18;  // below 2^63

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// RFC 3986 without what no request target needs: visible ASCII but '#', '"', '<', '>', '\\', '^', '`', '{', '|', '}'.
bool is_target_text(std::string_view text) {
  constexpr std::string_view kRefused = "#\"<>\\^`{|}";
  return std::ranges::all_of(text, [&](char c) { return c > ' ' && c < 0x7F && !kRefused.contains(c); });
}

// RFC 9110 §7.2 and RFC 3986 §3.2: host and port, without user information.
bool is_host(std::string_view text) {
  constexpr std::string_view kAllowed = "-._~!$&'()*+;=:[]%";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kAllowed.contains(c);
  });
}

Result<void> check_field_line(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return fail(Errc::malformed, "http head: a folded line");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return fail(Errc::malformed, "http head: a field without ':'");
  if (!is_token(line.substr(0, colon))) return fail(Errc::malformed, "http head: a field name that is no token");
  if (!is_field_value(line.substr(colon + 1)))
    return fail(Errc::malformed, "http head: a control character in a field");
  return {};
}

}  // namespace

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kMarks.contains(c);
  });
}

bool is_field_value(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  });
}

bool is_broken_head(ByteView part) {
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] == 0) return true;
    if (part[i] == '\n' && (i == 0 || part[i - 1] != '\r')) return true;
    if (part[i] == '\r' && i + 1 < part.size() && part[i + 1] != '\n') return true;
  }
  return false;
}

std::size_t head_length(ByteView bytes) {
  const auto end = as_text(bytes).find("\r\n\r\n");
  return end == std::string_view::npos ? 0 : end + 4;
}

Result<void> check_lines(ByteView head) {
  if (head.size() > kMaxHeader)
    return failf(Errc::overloaded, "http head: {} bytes, want {} or fewer", head.size(), kMaxHeader);
  if (head_length(head) != head.size() || head.empty())
    return fail(Errc::malformed, "http head: no empty line at its end");
  if (is_broken_head(head)) return fail(Errc::malformed, "http head: a bare CR or LF, or a NUL");
  auto text = as_text(head).substr(0, head.size() - 4);
  auto end = text.find("\r\n");
  const auto first = text.substr(0, end);
  if (first.empty() || !is_field_value(first) || first.contains('\t')) {
    return fail(Errc::malformed, "http head: the first line is empty or has control characters");
  }
  std::size_t fields = 0;
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 2);
    end = text.find("\r\n");
    const auto line = text.substr(0, end);
    if (line.empty()) return fail(Errc::malformed, "http head: an empty line before its end");
    if (++fields > kMaxHeaderFields) return failf(Errc::overloaded, "http head: more than {} fields", kMaxHeaderFields);
    TRY_VOID(check_field_line(line));
  }
  return {};
}

Result<void> check_framing(const Headers& headers, int minor_version) {
  const auto lengths = headers.all("Content-Length");
  const auto encodings = headers.all("Transfer-Encoding");
  if (lengths.size() > 1) return fail(Errc::malformed, "http head: several Content-Length");
  if (!lengths.empty() && (!is_digits(lengths.front()) || lengths.front().size() > kMaxLengthDigits)) {
    return fail(Errc::malformed, "http head: Content-Length is no number");
  }
  if (encodings.empty()) return {};
  if (!lengths.empty()) return fail(Errc::malformed, "http head: Content-Length and Transfer-Encoding");
  if (minor_version < 1) return fail(Errc::malformed, "http head: Transfer-Encoding in HTTP/1.0");
  if (encodings.size() > 1 || !equal_ignoring_case(encodings.front(), "chunked")) {
    return fail(Errc::malformed, "http head: Transfer-Encoding other than one \"chunked\"");
  }
  return {};
}

Result<void> check_request(const Request& request, int minor_version) {
  if (!is_token(request.method)) return fail(Errc::malformed, "http request: the method is no token");
  const bool authority_form = request.method == "CONNECT";
  const bool asterisk = request.method == "OPTIONS" && request.target == "*";
  if (authority_form ? !is_host(request.target) : !asterisk && !request.target.starts_with('/')) {
    return fail(Errc::malformed, "http request: the target is not in origin form");
  }
  if (!is_target_text(request.target)) return fail(Errc::malformed, "http request: a character that no target has");
  const auto hosts = request.headers.all("Host");
  if (hosts.size() > 1 || (hosts.empty() && minor_version >= 1)) {
    return failf(Errc::malformed, "http request: {} Host fields, want one", hosts.size());
  }
  if (!hosts.empty() && !is_host(hosts.front())) return fail(Errc::malformed, "http request: Host is no host");
  return check_framing(request.headers, minor_version);
}

}  // namespace sallyport::http
