#include "tunnel/websocket_upgrade.h"

#include <algorithm>

#include "codec/text.h"
#include "crypto/hash.h"
#include "tunnel/detail/http_text.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 §1.3
constexpr std::string_view kWebSocketVersion = "13";
constexpr std::string_view kUpgradeRequired =
    "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"
    "Content-Length: 0\r\n\r\n";

// Sec-WebSocket-Accept of a Sec-WebSocket-Key.
std::string accept_of(std::string_view key) {
  return codec::encode_base64(crypto::sha1(as_bytes(std::string(key) + std::string(kGuid))));
}

// What a head says of WebSockets.
struct Asked {
  bool upgrades = false;
  bool is_hop = false;  // Connection names Upgrade
  bool speaks_ours = false;
  bool is_page = false;  // of a browser, which alone says an Origin (RFC 6455 §10.2)
  std::string_view version, key;
};

// Fails where a line is no header, or one that may be there once is there twice.
Result<Asked> read_fields(std::string_view rest) {
  Asked out;
  std::size_t count = 0;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(std::min(line.size() + 2, rest.size()));
    const auto field = read_field_line(line);
    if (++count > kMaxRequestHeaders || !field)
      return fail(Errc::malformed, "upgrade: a line that is no header, or too many");
    const std::string_view value = field->value;
    if (has_control(value)) return fail(Errc::malformed, "upgrade: a header with a control character");
    const auto is = [&](std::string_view wanted) { return equal_ignoring_case(field->name, wanted); };
    if (is("origin")) out.is_page = true;
    if (is("upgrade")) out.upgrades = out.upgrades || lists(value, "websocket");
    if (is("connection")) out.is_hop = out.is_hop || lists(value, "upgrade");
    if (is("sec-websocket-protocol")) out.speaks_ours = out.speaks_ours || lists(value, kWebSocketProtocol);
    std::string_view* const once = is("sec-websocket-key")       ? &out.key
                                   : is("sec-websocket-version") ? &out.version
                                                                 : nullptr;
    if (once == nullptr) continue;
    if (!once->empty()) return fail(Errc::malformed, "upgrade: a header that is there twice");
    *once = value;
  }
  return out;
}

bool is_nonce(std::string_view key) {
  const auto nonce = codec::decode_base64(key);
  return nonce && nonce->size() == std::tuple_size_v<WebSocketNonce>;
}

}  // namespace

Result<SecretBytes> encode_upgrade_request(std::string_view authority, std::string_view target,
                                           const WebSocketNonce& nonce, const SecretBytes& login) {
  if (!is_authority(authority)) return fail(Errc::malformed, "upgrade: no host and port, want host:port");
  const std::string head = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {}\r\n"
      "Sec-WebSocket-Version: {}\r\nSec-WebSocket-Protocol: {}\r\n",
      target, authority, codec::encode_base64(nonce), kWebSocketVersion, kWebSocketProtocol);
  return with_login(head, login);
}

Result<void> check_upgrade(const ConnectReply& reply, const WebSocketNonce& nonce) {
  if (!reply.upgrades_to_web_socket)
    return fail(Errc::malformed, "upgrade: found no Upgrade and Connection for it, or an extension");
  if (reply.web_socket_accept != accept_of(codec::encode_base64(nonce)))
    return fail(Errc::malformed, "upgrade: found another Sec-WebSocket-Accept");
  if (reply.web_socket_protocol != kWebSocketProtocol)
    return failf(Errc::malformed, "upgrade: found another protocol, want {}", kWebSocketProtocol);
  return {};
}

Result<std::optional<UpgradeAnswer>> find_upgrade(ByteView received) {
  const std::string_view text = as_text(received.first(std::min(received.size(), kMaxUpgradeHead)));
  const std::size_t end = text.find(kEndOfHead);
  if (end == std::string_view::npos) {
    if (text.size() == kMaxUpgradeHead) return failf(Errc::malformed, "upgrade: head over {} bytes", kMaxUpgradeHead);
    return std::nullopt;
  }
  std::string_view fields = text.substr(0, end);
  const std::size_t first = fields.find("\r\n");
  fields.remove_prefix(first == std::string_view::npos ? fields.size() : first + 2);
  TRY(const Asked asked, read_fields(fields));
  UpgradeAnswer out{.bytes = to_bytes(kUpgradeRequired), .wire_size = end + kEndOfHead.size()};
  out.is_accepted = !asked.is_page && asked.upgrades && asked.is_hop && asked.speaks_ours &&
                    asked.version == kWebSocketVersion && is_nonce(asked.key);
  if (out.is_accepted) {
    out.bytes = to_bytes(fmt::format(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n"
        "Sec-WebSocket-Protocol: {}\r\n\r\n",
        accept_of(asked.key), kWebSocketProtocol));
  }
  return out;
}

}  // namespace sallyport::tunnel
