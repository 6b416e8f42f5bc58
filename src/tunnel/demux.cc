#include "tunnel/demux.h"

#include <algorithm>
#include <array>

#include "tunnel/limits.h"
#include "tunnel/ticket.h"
#include "tunnel/websocket_upgrade.h"

namespace sallyport::tunnel {
namespace {

constexpr std::array<std::string_view, 7> kMethods = {"GET ",    "HEAD ",    "POST ", "PUT ",
                                                      "DELETE ", "OPTIONS ", "PATCH "};
constexpr std::string_view kTlsHandshake = "\x16\x03";

enum class Match : std::uint8_t { no, so_far, whole };

Match match(std::string_view received, std::string_view wanted) {
  const std::size_t common = std::min(received.size(), wanted.size());
  if (received.substr(0, common) != wanted.substr(0, common)) return Match::no;
  return common == wanted.size() ? Match::whole : Match::so_far;
}

bool lies_at(std::string_view path, std::string_view base) {
  return path.starts_with(base) && (path.size() == base.size() || path[base.size()] == '/');
}

}  // namespace

std::string_view to_string(FirstBytes kind) {
  switch (kind) {
    case FirstBytes::need_more:
      return "need_more";
    case FirstBytes::tls:
      return "tls";
    case FirstBytes::data_preface:
      return "data_preface";
    case FirstBytes::http:
      return "http";
    case FirstBytes::garbage:
      return "garbage";
  }
  return "unknown";
}

FirstBytes classify(ByteView received) {
  const std::string_view text = as_text(received);
  bool possible = false;
  const auto tried = [&](std::string_view wanted) {
    const Match found = match(text, wanted);
    possible = possible || found == Match::so_far;
    return found == Match::whole;
  };
  if (tried(kTlsHandshake)) return FirstBytes::tls;
  if (tried(kPrefaceMagic)) return FirstBytes::data_preface;
  if (std::ranges::any_of(kMethods, tried)) return FirstBytes::http;
  return possible ? FirstBytes::need_more : FirstBytes::garbage;
}

Result<std::optional<PlainRoute>> find_plain_route(ByteView received) {
  const std::string_view text = as_text(received.first(std::min(received.size(), kMaxPlainRequestLine)));
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) {
    if (text.size() == kMaxPlainRequestLine) return fail(Errc::overloaded, "request line: over its limit");
    return std::nullopt;
  }
  if (end == 0 || text[end - 1] != '\r') return fail(Errc::malformed, "request line: ends without CR LF");
  const std::string_view line = text.substr(0, end - 1);
  if (!std::ranges::all_of(line, [](char c) { return c >= 0x20 && c < 0x7F; }))
    return fail(Errc::malformed, "request line: a character that is not printable ASCII");

  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(Errc::malformed, "request line: not three words");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return fail(Errc::malformed, "request line: no HTTP/1.x");
  if (!target.starts_with('/') || target.find(' ') != std::string_view::npos)
    return fail(Errc::malformed, "request line: target not in origin-form");

  if (method == "GET" && target == kWebSocketTarget && version == "HTTP/1.1") return PlainRoute::web_socket;
  const std::string_view path = target.substr(0, target.find('?'));
  const bool ours = lies_at(path, "/ocsp") || lies_at(path, "/crl");
  return ours && (method == "GET" || method == "POST") ? PlainRoute::status : PlainRoute::redirect;
}

}  // namespace sallyport::tunnel
