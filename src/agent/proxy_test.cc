#include "agent/proxy.h"

#include <gtest/gtest.h>

#include "agent/settings.h"

namespace sallyport::agent {
namespace {

TEST(ProxyText, IsAnAddressOrAUrlWithCredentials) {
  const struct {
    std::string_view text;
    net::Address address;
    std::string_view user;
    std::string_view password;
    ProxyKind kind = ProxyKind::http;
  } cases[] = {
      {"socks5://proxy.example", {.host = "proxy.example", .port = 1080}, "", "", ProxyKind::socks5},
      {"SOCKS5H://Proxy.Example:9050/", {.host = "proxy.example", .port = 9050}, "", "", ProxyKind::socks5},
      {"socks5://ada:o%3a@[2001:db8::1]", {.host = "2001:db8::1", .port = 1080}, "ada", "o:", ProxyKind::socks5},
      {"proxy.example:3128", {.host = "proxy.example", .port = 3128}, "", ""},
      {"http://proxy.example:3128", {.host = "proxy.example", .port = 3128}, "", ""},
      {"HTTP://Proxy.Example:3128/", {.host = "proxy.example", .port = 3128}, "", ""},
      {"http://proxy.example", {.host = "proxy.example", .port = 80}, "", ""},
      {"http://[2001:db8::1]:8080", {.host = "2001:db8::1", .port = 8080}, "", ""},
      {"http://[2001:db8::1]/", {.host = "2001:db8::1", .port = 80}, "", ""},
      {"http://ada:open%20sesame@10.0.0.1:3128", {.host = "10.0.0.1", .port = 3128}, "ada", "open sesame"},
      {"ada:pass@proxy.example:3128", {.host = "proxy.example", .port = 3128}, "ada", "pass"},
      {"http://ada@proxy.example:3128", {.host = "proxy.example", .port = 3128}, "ada", ""},
      {"http://a%40b:p%3aq%2Fr%25:s@proxy.example:1", {.host = "proxy.example", .port = 1}, "a@b", "p:q/r%:s"},
      {"http://%c3%84da:%E2%82%AC@proxy.example:1", {.host = "proxy.example", .port = 1}, "Äda", "€"},
  };
  for (const auto& one : cases) {
    const auto proxy = parse_proxy(one.text);
    ASSERT_TRUE(proxy) << one.text;
    EXPECT_EQ(proxy->address, one.address) << one.text;
    EXPECT_EQ(proxy->kind, one.kind) << one.text;
    ASSERT_EQ(proxy->credentials != nullptr, !one.user.empty()) << one.text;
    if (proxy->credentials) {
      EXPECT_EQ(proxy->credentials->user, one.user);
      EXPECT_EQ(as_text(proxy->credentials->password.expose()), one.password);
    }
    const auto again = parse_proxy(encode_proxy(*proxy));
    ASSERT_TRUE(again) << one.text;
    EXPECT_EQ(again->kind, one.kind) << one.text;
    EXPECT_EQ(encode_proxy(*again), encode_proxy(*proxy));
  }
}

TEST(ProxyText, RefusesTheRestWithoutSayingWhatItFound) {
  const std::string_view wrong[] = {
      "",
      "proxy.example",
      "proxy.example:0",
      "proxy.example:65536",
      "proxy.example:port",
      ":3128",
      "http://",
      "http://:3128",
      "https://hunter2.example:3128",
      "socks4://hunter2.example:1080",
      "socks5://ada@hunter2.example:1080",
      "socks5://ada:@hunter2.example:1080",
      "socks5://",
      "ftp://proxy.example",
      "http:proxy.example:3128",
      "http://proxy.example:3128/path",
      "http://proxy.example:3128?q",
      "http://proxy.example:3128 ",
      "http://@proxy.example:3128",
      "http://:hunter2@proxy.example:3128",
      "http://ada:hunter2%@proxy.example:3128",
      "http://ada:hunter2%2@proxy.example:3128",
      "http://ada:hunter2%zz@proxy.example:3128",
      "http://ada:hunter2%0d%0aX:y@proxy.example:3128",
      "http://ada:hunter2%00@proxy.example:3128",
      "http://a%3ab:hunter2@proxy.example:3128",
      "http://ada:hunter2/x@proxy.example:3128",
      "http://ada:hunter2@x@proxy.example:3128",
      "http://ada:hunter2#@proxy.example:3128",
      "http://ada:hunter2@proxy.example:3128:1",
      "http://ada:hunter2@http://proxy.example:3128",
  };
  for (const std::string_view text : wrong) {
    const auto proxy = parse_proxy(text);
    ASSERT_FALSE(proxy) << text;
    EXPECT_EQ(proxy.error().code, Errc::malformed);
    EXPECT_EQ(proxy.error().detail.find("hunter2"), std::string::npos) << text;
  }
}

// Percent-encoding makes three of one: what was read must be what can be read again.
TEST(ProxyText, ThatIsAsLongAsItGetsIsReadAgain) {
  const std::string longest(kMaxProxyCredential, '\xD9');
  const auto proxy = parse_proxy("http://" + longest + ":" + longest + "@" + std::string(60, 'a') + ".example:1");
  ASSERT_TRUE(proxy);
  EXPECT_TRUE(parse_proxy(encode_proxy(*proxy)));
  EXPECT_FALSE(parse_proxy("http://a:" + longest + "x@proxy.example:1"));
  EXPECT_FALSE(parse_proxy("http://" + longest + "x:a@proxy.example:1"));
  EXPECT_FALSE(parse_proxy_credentials(as_bytes("a:" + longest + "x")));
}

TEST(ProxyCredentialsFile, IsOneLine) {
  const auto one = parse_proxy_credentials(as_bytes("ada:open: sesame%20\n"));
  ASSERT_TRUE(one);
  EXPECT_EQ(one->user, "ada");
  EXPECT_EQ(as_text(one->password.expose()), "open: sesame%20");
  EXPECT_TRUE(parse_proxy_credentials(as_bytes("ada:")));
  EXPECT_TRUE(parse_proxy_credentials(as_bytes("ada:x\r\n")));
  for (const std::string_view wrong :
       {"", "\n", "ada", ":hunter2", "ada:hunter2\n\n", "ada:hunter2\nmore\n", "a\tb:c"}) {
    const auto read = parse_proxy_credentials(as_bytes(wrong));
    ASSERT_FALSE(read) << wrong;
    EXPECT_EQ(read.error().detail.find("hunter2"), std::string::npos);
  }
}

struct NoProxyCase {
  std::string_view list;
  net::Address target;
  bool is_met;
};

TEST(NoProxyList, MeetsHostsNetworksAndPorts) {
  const NoProxyCase cases[] = {
      {"*", {.host = "relay.example", .port = 443}, true},
      {"example.com", {.host = "example.com", .port = 443}, true},
      {"example.com", {.host = "relay.example.com", .port = 443}, true},
      {".example.com", {.host = "relay.example.com", .port = 443}, true},
      {".example.com", {.host = "example.com", .port = 443}, true},
      {"*.example.com", {.host = "relay.example.com", .port = 443}, true},
      {"EXAMPLE.com", {.host = "relay.example.com", .port = 443}, true},
      {"a.b , example.com\tc.d", {.host = "example.com", .port = 443}, true},
      {"example.com:443", {.host = "example.com", .port = 443}, true},
      {"10.1.2.3", {.host = "10.1.2.3", .port = 443}, true},
      {"10.1.2.3:443", {.host = "10.1.2.3", .port = 443}, true},
      {"10.0.0.0/8", {.host = "10.255.0.1", .port = 443}, true},
      {"10.1.2.0/23", {.host = "10.1.3.255", .port = 443}, true},
      {"0.0.0.0/0", {.host = "192.0.2.1", .port = 443}, true},
      {"fd00::/8", {.host = "fd12::1", .port = 443}, true},
      {"2001:db8::1", {.host = "2001:db8::1", .port = 443}, true},
      {"[2001:db8::1]:443", {.host = "2001:db8::1", .port = 443}, true},
      {"", {.host = "127.0.0.1", .port = 443}, true},
      {"", {.host = "::1", .port = 443}, true},
      {"", {.host = "localhost", .port = 443}, true},
  };
  for (const NoProxyCase& one : cases) {
    EXPECT_EQ(NoProxy::parse(one.list)->matches(one.target), one.is_met)
        << one.list << " and " << net::to_string(one.target);
  }
}

TEST(NoProxyList, MeetsNothingElse) {
  const NoProxyCase cases[] = {
      {"", {.host = "relay.example", .port = 443}, false},
      {" ,, ", {.host = "relay.example", .port = 443}, false},
      {".", {.host = "relay.example", .port = 443}, false},
      {"*.", {.host = "relay.example", .port = 443}, false},
      {"example.com", {.host = "badexample.com", .port = 443}, false},
      {"example.com", {.host = "example.com.evil.org", .port = 443}, false},
      {"relay.example.com", {.host = "example.com", .port = 443}, false},
      {"example.com:80", {.host = "example.com", .port = 443}, false},
      {"example.com:0", {.host = "example.com", .port = 443}, false},
      {"example.com:x", {.host = "example.com", .port = 443}, false},
      {"example.com:443:443", {.host = "example.com", .port = 443}, false},
      {"http://example.com", {.host = "example.com", .port = 443}, false},
      {"10.1.2.3", {.host = "10.1.2.30", .port = 443}, false},
      {"10.1.2.3", {.host = "110.1.2.3", .port = 443}, false},
      {"1.2.3", {.host = "10.1.2.3", .port = 443}, false},
      {"10.0.0.0/8", {.host = "11.0.0.1", .port = 443}, false},
      {"10.1.2.0/23", {.host = "10.1.4.0", .port = 443}, false},
      {"10.0.0.0/33", {.host = "10.0.0.1", .port = 443}, false},
      {"10.0.0.0/", {.host = "10.0.0.1", .port = 443}, false},
      {"10.0.0.0/8", {.host = "host10.example", .port = 443}, false},
      {"0.0.0.0/0", {.host = "2001:db8::1", .port = 443}, false},
      {"::/0", {.host = "192.0.2.1", .port = 443}, false},
      {"[2001:db8::1]:80", {.host = "2001:db8::1", .port = 443}, false},
  };
  for (const NoProxyCase& one : cases) {
    EXPECT_EQ(NoProxy::parse(one.list)->matches(one.target), one.is_met)
        << one.list << " and " << net::to_string(one.target);
  }
}

TEST(NoProxyList, ThatIsNoneMeetsNotEvenLoopback) {
  EXPECT_FALSE(NoProxy().matches({.host = "127.0.0.1", .port = 443}));
}

TEST(NoProxyList, HasALimit) {
  std::string list;
  for (std::size_t i = 0; i < kMaxNoProxyEntries; ++i) list += "a.example,";
  EXPECT_TRUE(NoProxy::parse(list));
  EXPECT_EQ(NoProxy::parse(list + "b.example").error().code, Errc::overloaded);
}

TEST(ProxyOfTheEnvironment, CountsOnlyWhereTheFileNamesNone) {
  Settings settings;
  settings.proxy = *parse_proxy("own.example:1");
  ASSERT_TRUE(settings.use_environment({.https_proxy = "http://other.example:2", .no_proxy = ""}));
  EXPECT_EQ(settings.proxy->address.host, "own.example");

  Settings bare;
  ASSERT_TRUE(bare.use_environment({.https_proxy = "", .no_proxy = "*"}));
  EXPECT_FALSE(bare.proxy);
  ASSERT_TRUE(bare.use_environment({.https_proxy = "http://ada:x@other.example:2", .no_proxy = "status.example"}));
  EXPECT_EQ(bare.proxy->address.host, "other.example");
  EXPECT_TRUE(bare.no_proxy.matches({.host = "status.example", .port = 80}));

  Settings any;
  ASSERT_TRUE(
      any.use_environment({.https_proxy = "", .all_proxy = "socks5://any.example", .no_proxy = "status.example"}));
  EXPECT_TRUE(any.no_proxy.matches({.host = "status.example", .port = 80}));
  EXPECT_EQ(any.proxy->address, (net::Address{.host = "any.example", .port = kSocksProxyPort}));
  Settings both;
  ASSERT_TRUE(both.use_environment({.https_proxy = "a.example:1", .all_proxy = "b.example:2", .no_proxy = ""}));
  EXPECT_EQ(both.proxy->address.host, "a.example");
  EXPECT_EQ(both.no_proxy.matches({.host = "status.example", .port = 80}), false);
  Settings foreign;
  ASSERT_TRUE(foreign.use_environment({.https_proxy = "", .all_proxy = "socks://10.0.0.1:1080/", .no_proxy = ""}));
  EXPECT_FALSE(foreign.proxy) << "a spelling of others, for a whole system";

  Settings refused;
  const auto taken = refused.use_environment({.https_proxy = "socks4://ada:hunter2@x:1", .no_proxy = ""});
  ASSERT_FALSE(taken);
  EXPECT_TRUE(taken.error().detail.starts_with("HTTPS_PROXY: ")) << taken.error().detail;
  EXPECT_EQ(taken.error().detail.find("hunter2"), std::string::npos);

  Settings careful;
  careful.proxy_login = tunnel::LoginRule::digest_alone;
  const ProxyVariables says_passwords{.https_proxy = "", .all_proxy = "socks5://ada:hunter2@x:1", .no_proxy = ""};
  const auto heard = careful.use_environment(says_passwords);
  ASSERT_FALSE(heard);
  EXPECT_EQ(heard.error().detail, "ALL_PROXY: proxy_login: digest is wanted, of which a SOCKS proxy knows nothing");
}

}  // namespace
}  // namespace sallyport::agent
