#include "tunnel/websocket_upgrade.h"

#include <gtest/gtest.h>

#include "codec/text.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

WebSocketNonce sample_nonce() {
  WebSocketNonce out;
  const std::string_view text = "the sample nonce";
  std::ranges::copy(as_bytes(text), out.begin());
  return out;
}

std::string request(std::string_view target = kWebSocketTarget) {
  return std::string(
      as_text(encode_upgrade_request("relay.example:80", target, sample_nonce(), SecretBytes())->expose()));
}

UpgradeAnswer answer(std::string_view head) {
  auto found = find_upgrade(as_bytes(head));
  EXPECT_TRUE(found && *found) << head;
  return found && *found ? **std::move(found) : UpgradeAnswer();
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

// RFC 6455 §1.3
TEST(WebSocketUpgrade, IsAnsweredAsInTheStandard) {
  EXPECT_EQ(request(),
            "GET /sallyport-tunnel HTTP/1.1\r\nHost: relay.example:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: tunnel.sallyport.1\r\n\r\n");
  const UpgradeAnswer accepted = answer(request() + "what follows");
  EXPECT_TRUE(accepted.is_accepted);
  EXPECT_EQ(accepted.wire_size, request().size());
  EXPECT_EQ(as_text(accepted.bytes),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: tunnel.sallyport.1\r\n\r\n");
  const auto reply = parse_connect_reply(accepted.bytes).value().value();
  EXPECT_EQ(reply.status, 101U);
  EXPECT_TRUE(check_upgrade(reply, sample_nonce()));
  EXPECT_EQ(check_upgrade(reply, WebSocketNonce{}).error().code, Errc::malformed);
  const std::string spoken(as_text(accepted.bytes));
  for (const auto& [what, by] : {std::pair<std::string_view, std::string_view>{"Upgrade: websocket\r\n", ""},
                                 {"Connection: Upgrade", "Connection: close"},
                                 {"Connection: ", "Sec-WebSocket-Extensions: x\r\nConnection: "}}) {
    const auto wrong = parse_connect_reply(as_bytes(replaced(spoken, what, by))).value().value();
    EXPECT_EQ(check_upgrade(wrong, sample_nonce()).error().code, Errc::malformed) << what;
  }
  ConnectReply other = reply;
  other.web_socket_protocol = "chat";
  EXPECT_EQ(check_upgrade(other, sample_nonce()).error().code, Errc::malformed);
}

TEST(WebSocketUpgrade, ShowsALoginAndAnAbsoluteTarget) {
  const auto bytes = encode_upgrade_request("relay.example:80", "http://relay.example:80/sallyport-tunnel",
                                            sample_nonce(), SecretBytes(std::string_view("X: y\r\n")));
  EXPECT_TRUE(as_text(bytes->expose()).starts_with("GET http://relay.example:80/sallyport-tunnel HTTP/1.1\r\n"));
  EXPECT_TRUE(as_text(bytes->expose()).ends_with("\r\nX: y\r\n\r\n"));
  EXPECT_EQ(encode_upgrade_request("a b:80", "/", sample_nonce(), SecretBytes()).error().code, Errc::malformed);
}

TEST(WebSocketUpgrade, MayBeSpeltInOtherWays) {
  std::string other = replaced(request(), "Upgrade: websocket", "UPGRADE:  h2c , WebSocket");
  other = replaced(other, "Connection: Upgrade", "Connection: keep-alive\r\nconnection: x, upgrade");
  other = replaced(other, "Sec-WebSocket-Protocol: ", "Sec-WebSocket-Protocol: chat,");
  EXPECT_TRUE(answer(other).is_accepted) << other;
}

TEST(WebSocketUpgrade, NeedsMoreUntilTheHeadIsWhole) {
  const std::string whole = request();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(find_upgrade(as_bytes(std::string_view(whole).substr(0, size))).value()) << size;
}

TEST(WebSocketUpgrade, IsRefusedWithWhatIsWanted) {
  const std::pair<std::string_view, std::string_view> changes[] = {
      {"Upgrade: websocket\r\n", ""},
      {"Connection: Upgrade\r\n", "Connection: close\r\n"},
      {"Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"},
      {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j"},
      {"dGhlIHNhbXBsZSBub25jZQ==", "not base64"},
      {"tunnel.sallyport.1", "tunnel.sallyport.2"},
      {"Host: ", "Origin: null\r\nHost: "},
  };
  for (const auto& [what, by] : changes) {
    const UpgradeAnswer refused = answer(replaced(request(), what, by));
    EXPECT_FALSE(refused.is_accepted) << by;
    EXPECT_TRUE(as_text(refused.bytes).starts_with("HTTP/1.1 426 Upgrade Required\r\n")) << by;
  }
}

TEST(WebSocketUpgrade, RefusesWhatIsNoHead) {
  std::string many = "GET / HTTP/1.1\r\n";
  for (std::size_t i = 0; i <= kMaxRequestHeaders; ++i) many += "a: b\r\n";
  const std::string cases[] = {
      "GET / HTTP/1.1\r\nno colon\r\n\r\n",
      "GET / HTTP/1.1\r\nbad name: x\r\n\r\n",
      "GET / HTTP/1.1\r\n folded: x\r\n\r\n",
      std::string("GET / HTTP/1.1\r\na: \0\r\n\r\n", 24),
      replaced(request(), "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
      many + "\r\n",
      "GET / HTTP/1.1\r\na: " + std::string(kMaxUpgradeHead, 'x'),
  };
  for (const std::string& one : cases)
    EXPECT_EQ(find_upgrade(as_bytes(one)).error().code, Errc::malformed) << one.substr(0, 60);
}

}  // namespace
}  // namespace sallyport::tunnel
