#include "tunnel/proxy_connect.h"

#include <algorithm>

#include "tunnel/detail/http_text.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

constexpr std::string_view kEndOfHead = "\r\n\r\n";
constexpr std::size_t kMaxAuthority = 300;

// host ":" port (RFC 9112 §3.2.3) of the characters that names and addresses have; the port has a digit that is not 0.
bool is_authority(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (text.size() > kMaxAuthority || colon == std::string_view::npos || colon == 0) return false;
  const auto is_host = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
  };
  const std::string_view port = text.substr(colon + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return std::ranges::all_of(text.substr(0, colon), is_host) && std::ranges::all_of(port, is_digit) &&
         port.find_first_not_of('0') != std::string_view::npos;
}

// status-line := "HTTP/1." digit SP 3digit [SP reason]                              (RFC 9112 §4)
Result<unsigned> parse_status_line(std::string_view line) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || !digit(line[7]) || line[8] != ' ')
    return fail(Errc::malformed, "proxy reply: no HTTP/1.x status line");
  if (!digit(line[9]) || !digit(line[10]) || !digit(line[11]) || (line.size() > 12 && line[12] != ' '))
    return fail(Errc::malformed, "proxy reply: status is not three digits");
  const auto value = [&](std::size_t i) { return static_cast<unsigned>(line[i] - '0'); };
  const unsigned status = value(9) * 100 + value(10) * 10 + value(11);
  if (status < 100 || status > 599) return failf(Errc::malformed, "proxy reply: status {}, want 100 to 599", status);
  return status;
}

Result<ConnectReply> parse_head(std::string_view head) {
  ConnectReply reply;
  std::size_t headers = 0;
  std::size_t end = head.find("\r\n");
  TRY(reply.status, parse_status_line(head.substr(0, end)));
  while (end != std::string_view::npos) {
    head.remove_prefix(end + 2);
    end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    if (++headers > kMaxConnectReplyHeaders)
      return failf(Errc::overloaded, "proxy reply: over {} headers", kMaxConnectReplyHeaders);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
      return fail(Errc::malformed, "proxy reply: a line that is no header");
    const std::string_view value = trim(line.substr(colon + 1));
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
      return fail(Errc::malformed, "proxy reply: a header with CR, LF or NUL");
    if (!equal_ignoring_case(line.substr(0, colon), "proxy-authenticate")) continue;
    read_challenges(value, reply.challenges);
  }
  return reply;
}

}  // namespace

Result<SecretBytes> encode_connect_request(std::string_view authority, const SecretBytes& login) {
  if (!is_authority(authority)) return fail(Errc::malformed, "proxy request: no host and port, want host:port");
  const std::string head = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", authority);
  Bytes out;
  out.reserve(head.size() + login.size() + 2);
  append(out, as_bytes(head));
  append(out, login.expose());
  append(out, as_bytes("\r\n"));
  return SecretBytes(std::move(out));
}

Result<std::optional<ConnectReply>> parse_connect_reply(ByteView received) {
  const std::string_view text = as_text(received.first(std::min(received.size(), kMaxConnectReply)));
  constexpr std::string_view kStart = "HTTP/1.";
  std::size_t skipped = 0;
  for (;;) {
    const std::string_view rest = text.substr(skipped);
    const std::string_view start = rest.substr(0, kStart.size());
    if (!kStart.starts_with(start)) return fail(Errc::malformed, "proxy reply: does not begin with HTTP/1.");
    const std::size_t end = rest.find(kEndOfHead);
    if (end == std::string_view::npos) {
      if (text.size() == kMaxConnectReply)
        return failf(Errc::overloaded, "proxy reply: head over {} bytes", kMaxConnectReply);
      return std::nullopt;
    }
    TRY(auto reply, parse_head(rest.substr(0, end)));
    skipped += end + kEndOfHead.size();
    if (reply.status >= 200) {
      reply.wire_size = skipped;
      return reply;
    }
  }
}

}  // namespace sallyport::tunnel
