#include <gtest/gtest.h>

#include "codec/text.h"
#include "tunnel/limits.h"
#include "tunnel/proxy_connect.h"
#include "tunnel/proxy_header.h"

namespace sallyport::tunnel {
namespace {

// haproxy.org proxy-protocol.txt §2.2 as bytes.
constexpr std::string_view kSignature = "0d0a0d0a000d0a515549540a";

Bytes header_bytes(std::string_view rest) {
  return *codec::decode_hex(std::string(kSignature) + std::string(rest));
}

TEST(ProxyHeader, ReadsAddressesAndTlvsOfTheProtocol) {
  const Bytes v4 = header_bytes(
      "21"
      "11"
      "0013"
      "c0000201"
      "c0000202"
      "c738"
      "01bb"
      "020004"
      "61626364");
  const auto header = parse_proxy_header(v4).value().value();
  EXPECT_EQ(
      std::get<ProxyAddressV4>(header.address),
      (ProxyAddressV4{
          .source = {192, 0, 2, 1}, .destination = {192, 0, 2, 2}, .source_port = 51'000, .destination_port = 443}));
  EXPECT_EQ(header.tlvs, (std::vector<ProxyTlv>{{.type = kProxyTlvAuthority, .value = to_bytes("abcd")}}));
  EXPECT_EQ(header.wire_size, v4.size());
  EXPECT_EQ(encode_proxy_header(header), v4);

  const Bytes v6 = header_bytes(
      "21"
      "21"
      "0024"
      "20010db8000000000000000000000001"
      "20010db8000000000000000000000002"
      "c738"
      "01bb");
  EXPECT_EQ(encode_proxy_header(**parse_proxy_header(v6)), v6);
  EXPECT_EQ(std::get<ProxyAddressV6>((**parse_proxy_header(v6)).address).source[15], 1);

  const Bytes local = header_bytes(
      "20"
      "00"
      "0000");
  EXPECT_TRUE(std::holds_alternative<ProxyLocal>((**parse_proxy_header(local)).address));
  EXPECT_EQ(encode_proxy_header(**parse_proxy_header(local)), local);
  // LOCAL with a block is accepted and the block discarded.
  EXPECT_EQ((**parse_proxy_header(header_bytes("20"
                                               "11"
                                               "0002"
                                               "ffff")))
                .wire_size,
            18U);
}

TEST(ProxyHeader, NeedsMoreUntilItIsWholeAndIgnoresWhatFollows) {
  Bytes bytes = header_bytes(
      "21"
      "11"
      "000c"
      "c0000201"
      "c0000202"
      "c738"
      "01bb");
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(parse_proxy_header(ByteView(bytes).first(size)).value()) << size;
  const std::size_t size = bytes.size();
  append(bytes, as_bytes("payload"));
  EXPECT_EQ((**parse_proxy_header(bytes)).wire_size, size);
}

TEST(ProxyHeader, RefusesWhatItDoesNotKnow) {
  std::string many_tlvs;
  for (std::size_t i = 0; i <= kMaxProxyTlvs; ++i) many_tlvs += "e00000";
  const struct {
    std::string_view title;
    Bytes bytes;
    Errc want;
  } cases[] = {
      {"version 1", to_bytes("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), Errc::malformed},
      {"first byte", to_bytes("G"), Errc::malformed},
      {"version 3", header_bytes("31"), Errc::malformed},
      {"command 2", header_bytes("22"), Errc::malformed},
      {"UDP over IPv4", header_bytes("2112"), Errc::malformed},
      {"unspecified family", header_bytes("2100"), Errc::malformed},
      {"Unix socket", header_bytes("2131"), Errc::malformed},
      {"address cut",
       header_bytes("21"
                    "11"
                    "000b"
                    "c0000201"
                    "c0000202"
                    "c738"
                    "01"),
       Errc::malformed},
      {"TLV cut",
       header_bytes("21"
                    "11"
                    "000e"
                    "c0000201"
                    "c0000202"
                    "c738"
                    "01bb"
                    "0200"),
       Errc::malformed},
      {"TLV beyond the header",
       header_bytes("21"
                    "11"
                    "000f"
                    "c0000201"
                    "c0000202"
                    "c738"
                    "01bb"
                    "020001"),
       Errc::malformed},
      {"over its limit",
       header_bytes("21"
                    "11"
                    "07f1"),
       Errc::overloaded},
      {"too many TLVs",
       header_bytes("21"
                    "11"
                    "003f"
                    "c0000201"
                    "c0000202"
                    "c738"
                    "01bb" +
                    many_tlvs),
       Errc::overloaded},
  };
  for (const auto& one : cases) {
    const auto parsed = parse_proxy_header(one.bytes);
    ASSERT_FALSE(parsed) << one.title;
    EXPECT_EQ(parsed.error().code, one.want) << one.title;
  }
}

TEST(ConnectRequest, NamesHostAndPortAndShowsALogin) {
  const auto plain = encode_connect_request("relay.example:443", SecretBytes());
  EXPECT_EQ(as_text(plain->expose()), "CONNECT relay.example:443 HTTP/1.1\r\nHost: relay.example:443\r\n\r\n");
  const auto request = encode_connect_request("relay.example:443", SecretBytes(std::string_view("X: y\r\n")));
  EXPECT_EQ(as_text(request->expose()),
            "CONNECT relay.example:443 HTTP/1.1\r\nHost: relay.example:443\r\nX: y\r\n\r\n");
}

TEST(ConnectRequest, NamesNothingButAHostAndAPort) {
  EXPECT_TRUE(encode_connect_request("192.0.2.7:443", SecretBytes()));
  EXPECT_TRUE(encode_connect_request("[2001:db8::1]:443", SecretBytes()));
  for (const std::string_view authority :
       {"relay.example:0", ":443", "", "relay.example", "relay.example:", "relay.example:44x", "a b:443", "a\r\nX:443",
        "user@relay.example:443", "relay.example/:443", "Relay:443"})
    EXPECT_EQ(encode_connect_request(authority, SecretBytes()).error().code, Errc::malformed) << authority;
}

TEST(ConnectReply, IsReadWithoutATouchOnTheTunnel) {
  const std::string head = "HTTP/1.1 200 Connection established\r\nVia: 1.1 squid\r\n\r\n";
  const std::string all = head + "\x16\x03\x01";
  for (std::size_t size = 0; size < head.size(); ++size)
    EXPECT_FALSE(parse_connect_reply(as_bytes(std::string_view(all).substr(0, size))).value()) << size;
  const auto reply = parse_connect_reply(as_bytes(all)).value().value();
  EXPECT_TRUE(reply.established());
  EXPECT_EQ(reply.wire_size, head.size());
  EXPECT_EQ((**parse_connect_reply(as_bytes("HTTP/1.0 200\r\n\r\n"))).status, 200U);
  EXPECT_EQ((**parse_connect_reply(as_bytes("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n\r\n"))).status, 403U);
}

TEST(ConnectReply, NamesTheSchemesThatAProxyDemands) {
  const auto reply =
      parse_connect_reply(as_bytes("HTTP/1.1 407 Auth\r\nproxy-authenticate: NTLM\r\n"
                                   "Proxy-Authenticate: Basic realm=\"x\"\r\n"
                                   "Proxy-Authenticate: Negotiate, NTLM\r\n\r\n"));
  EXPECT_FALSE((**reply).established());
  std::vector<std::string> schemes;
  for (const AuthChallenge& one : (**reply).challenges) schemes.push_back(one.scheme);
  EXPECT_EQ(schemes, (std::vector<std::string>{"ntlm", "basic", "negotiate", "ntlm"}));
}

TEST(ConnectReply, TellsWhetherAnotherRequestMayFollow) {
  const struct {
    std::string_view head;
    std::optional<std::uint64_t> want;
  } cases[] = {
      {"HTTP/1.1 407 No\r\nContent-Length: 17", 17},
      {"HTTP/1.1 407 No\r\nContent-Length: 0\r\nConnection: keep-alive", 0},
      {"HTTP/1.0 407 No\r\nContent-Length: 17\r\nProxy-Connection: Keep-Alive", 17},
      {"HTTP/1.0 407 No\r\nContent-Length: 17", std::nullopt},
      {"HTTP/1.1 407 No\r\nContent-Length: 17\r\nProxy-Connection: close", std::nullopt},
      {"HTTP/1.1 407 No\r\nContent-Length: 17\r\nConnection: x, Close", std::nullopt},
      {"HTTP/1.1 407 No\r\nContent-Length: 17\r\nContent-Length: 17", std::nullopt},
      {"HTTP/1.1 407 No\r\nContent-Length: -1", std::nullopt},
      {"HTTP/1.1 407 No\r\nContent-Length: 99999999999999999999", std::nullopt},
      {"HTTP/1.1 407 No\r\nContent-Length: 17\r\nTransfer-Encoding: chunked", std::nullopt},
      {"HTTP/1.1 407 No", std::nullopt},
  };
  for (const auto& one : cases)
    EXPECT_EQ((**parse_connect_reply(as_bytes(std::string(one.head) + "\r\n\r\n"))).body_before_next, one.want)
        << one.head;
}

TEST(ConnectReply, RefusesWhatIsNoReply) {
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (std::size_t i = 0; i <= kMaxConnectReplyHeaders; ++i) many += "a: b\r\n";
  const struct {
    std::string bytes;
    Errc want;
  } cases[] = {
      {"<html>", Errc::malformed},
      {"ICY 200 OK\r\n\r\n", Errc::malformed},
      {"HTTP/2 200\r\n\r\n", Errc::malformed},
      {"HTTP/1.1 20 OK\r\n\r\n", Errc::malformed},
      {"HTTP/1.1 2000 OK\r\n\r\n", Errc::malformed},
      {"HTTP/1.1 099 OK\r\n\r\n", Errc::malformed},
      {"HTTP/1.1 600 OK\r\n\r\n", Errc::malformed},
      {"HTTP/1.1 -20 OK\r\n\r\n", Errc::malformed},
      {"HTTP/1.1  200 OK\r\n\r\n", Errc::malformed},
      {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Errc::malformed},
      {"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n", Errc::malformed},
      {"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", Errc::malformed},
      {"HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n", Errc::malformed},
      {"\r\nHTTP/1.1 200 OK\r\n\r\n", Errc::malformed},
      {many + "\r\n", Errc::overloaded},
      {"HTTP/1.1 200 OK\r\na: " + std::string(kMaxConnectReply, 'x'), Errc::overloaded},
  };
  for (const auto& one : cases) {
    const auto parsed = parse_connect_reply(as_bytes(one.bytes));
    ASSERT_FALSE(parsed) << one.bytes.substr(0, 40);
    EXPECT_EQ(parsed.error().code, one.want) << one.bytes.substr(0, 40);
  }
}

}  // namespace
}  // namespace sallyport::tunnel
