#include "tunnel/proxy_connect.h"

#include <algorithm>
#include <charconv>

#include "tunnel/detail/http_text.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

constexpr unsigned kSwitchingProtocols = 101;

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

// What a head says about the end of its message and of the connection (RFC 9112 §6.3, §9.3).
class Ending {
 public:
  void take(std::string_view name, std::string_view value) {
    const auto is = [&](std::string_view wanted) { return equal_ignoring_case(name, wanted); };
    if (is("connection") || is("proxy-connection")) {
      closes_ = closes_ || lists(value, "close");
      stays_ = stays_ || lists(value, "keep-alive");
    }
    if (is("content-length")) {
      has_fault_ = has_fault_ || length_.has_value() || !parse_length(value);
      length_ = parse_length(value);
    }
    if (is("transfer-encoding")) has_fault_ = true;
  }
  // ConnectReply::body_before_next.
  std::optional<std::uint64_t> body_before_next(bool is_http_1_0) const {
    if (has_fault_ || closes_ || (is_http_1_0 && !stays_)) return std::nullopt;
    return length_;
  }

 private:
  static std::optional<std::uint64_t> parse_length(std::string_view text) {
    std::uint64_t out = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return out;
  }

  bool closes_ = false;
  bool stays_ = false;
  bool has_fault_ = false;
  std::optional<std::uint64_t> length_;
};

Result<ConnectReply> parse_head(std::string_view head) {
  constexpr std::string_view kOldest = "HTTP/1.0";
  const bool is_http_1_0 = head.starts_with(kOldest);
  ConnectReply reply;
  Ending ending;
  bool names_web_socket = false, is_hop = false, has_extension = false;
  std::size_t headers = 0;
  std::size_t end = head.find("\r\n");
  TRY(reply.status, parse_status_line(head.substr(0, end)));
  while (end != std::string_view::npos) {
    head.remove_prefix(end + 2);
    end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    if (++headers > kMaxConnectReplyHeaders)
      return failf(Errc::overloaded, "proxy reply: over {} headers", kMaxConnectReplyHeaders);
    const auto field = read_field_line(line);
    if (!field) return fail(Errc::malformed, "proxy reply: a line that is no header");
    const auto [name, value] = *field;
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
      return fail(Errc::malformed, "proxy reply: a header with CR, LF or NUL");
    ending.take(name, value);
    if (equal_ignoring_case(name, "proxy-authenticate")) read_challenges(value, reply.challenges);
    if (equal_ignoring_case(name, "upgrade")) names_web_socket = lists(value, "websocket");
    if (equal_ignoring_case(name, "connection")) is_hop = is_hop || lists(value, "upgrade");
    if (equal_ignoring_case(name, "sec-websocket-extensions")) has_extension = true;
    if (equal_ignoring_case(name, "sec-websocket-accept")) reply.web_socket_accept = value;
    if (equal_ignoring_case(name, "sec-websocket-protocol")) reply.web_socket_protocol = value;
  }
  reply.upgrades_to_web_socket = names_web_socket && is_hop && !has_extension;
  reply.body_before_next = ending.body_before_next(is_http_1_0);
  return reply;
}

}  // namespace

Result<SecretBytes> encode_connect_request(std::string_view authority, const SecretBytes& login) {
  if (!is_authority(authority)) return fail(Errc::malformed, "proxy request: no host and port, want host:port");
  return with_login(fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", authority), login);
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
    if (reply.status >= 200 || reply.status == kSwitchingProtocols) {
      reply.wire_size = skipped;
      return reply;
    }
  }
}

}  // namespace sallyport::tunnel
