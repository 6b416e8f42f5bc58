#include "tunnel/entry_gate.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/hash.h"
#include "tunnel/detail/cookies.h"
#include "tunnel/detail/test_vectors.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

using testing::kDevice;
using testing::kNow;
using testing::kZone;
using testing::make_grant;
using testing::renewal_of;

const Bytes kSecret(kEntrySecretSize, 0x42);

AccessGrant browser_grant(std::uint8_t number = 1) {
  AccessGrant grant = make_grant(number);
  grant.proof_hash = crypto::sha256(kSecret);
  return grant;
}

std::string entry_body(ByteView secret = kSecret) {
  return "secret=" + codec::encode_base64url(secret);
}

std::string describe(const GateDecision& decision) {
  if (const auto* refusal = std::get_if<GateRefusal>(&decision))
    return fmt::format("{} {}", refusal->status, to_string(refusal->fault));
  return std::holds_alternative<GateAnswer>(decision) ? "answer" : "forward";
}

// A device with one live grant, reached on port 8443 as in ./demo.
class EntryGateTest : public ::testing::Test {
 protected:
  EntryGateTest() { SALLYPORT_CHECK(live_.admit(grant_, kNow).has_value()); }

  RequestHead entry_request() const {
    return {.method = "POST",
            .target = "/.sallyport/enter",
            .headers = {{"Host", host_},
                        {"Origin", "https://console.localhost:8443"},
                        {"Content-Type", "application/x-www-form-urlencoded"},
                        {"Sec-Fetch-Site", "cross-site"},
                        {"Sec-Fetch-Mode", "navigate"},
                        {"Sec-Fetch-Dest", "document"}}};
  }
  RequestHead request(std::string method = "GET", std::string target = "/") const {
    return {.method = std::move(method),
            .target = std::move(target),
            .headers = {{"Host", host_}, {"Sec-Fetch-Site", "same-origin"}, {"Cookie", cookie_}}};
  }
  GateDecision decide(const RequestHead& head, std::string_view body = {}, UnixTime now = kNow) {
    return gate_.decide(name_, head, as_bytes(body), now);
  }
  // Enters, and keeps the cookie as a browser would.
  void enter() {
    const auto decision = decide(entry_request(), entry_body());
    ASSERT_EQ(describe(decision), "answer");
    for (const Header& header : std::get<GateAnswer>(decision).headers) {
      if (header.name == "Set-Cookie") cookie_ = header.value.substr(0, header.value.find(';'));
    }
  }
  static Header& header(RequestHead& head, std::string_view name) {
    return *std::ranges::find(head.headers, name, &Header::name);
  }

  const AccessGrant grant_ = browser_grant();
  const DnsName name_ = grant_host(grant_, kZone);
  const std::string host_ = name_.get() + ":8443";
  LiveGrants live_{kDevice, kZone};
  SeededRandom random_{5};
  EntryGate gate_{live_, random_, {.public_port = 8443}};
  std::string cookie_;
};

TEST_F(EntryGateTest, EntryAnswersWithAStrictHostCookieAndARefresh) {
  const auto decision = decide(entry_request(), entry_body());
  ASSERT_EQ(describe(decision), "answer");
  const auto& answer = std::get<GateAnswer>(decision);
  EXPECT_EQ(answer.status, 200U);
  EXPECT_NE(answer.body.find("http-equiv=\"refresh\" content=\"0;url=/\""), std::string::npos);
  const auto cookie = std::ranges::find(answer.headers, "Set-Cookie", &Header::name);
  ASSERT_NE(cookie, answer.headers.end());
  EXPECT_TRUE(cookie->value.starts_with("__Host-sallyport="));
  EXPECT_TRUE(cookie->value.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"));
  EXPECT_EQ(cookie->value.find("Domain"), std::string::npos);
  const std::string value = cookie->value.substr(17, cookie->value.find(';') - 17);
  EXPECT_EQ(codec::decode_base64url(value)->size(), 32U);
  EXPECT_EQ(answer.body.find(value), std::string::npos);
}

TEST_F(EntryGateTest, EntryIsAcceptedOnceWhateverFollows) {
  enter();
  EXPECT_EQ(describe(decide(entry_request(), entry_body())), "403 entry_used");
  ASSERT_TRUE(live_.admit(renewal_of(grant_, seconds(100)), kNow + seconds(100)));
  EXPECT_EQ(describe(decide(entry_request(), entry_body(), kNow + seconds(100))), "403 entry_used");
  EXPECT_EQ(describe(decide(request(), {}, kNow + seconds(400))), "forward");
}

TEST_F(EntryGateTest, EntryWithAnythingWrongIsRefusedAndSpendsNothing) {
  const Bytes other(kEntrySecretSize, 0x43);
  const struct {
    std::string_view title;
    std::string_view name;  // header changed
    std::string value;      // "-": removed
    std::string body;
  } cases[] = {
      {"no origin", "Origin", "-", entry_body()},
      {"own origin", "Origin", "https://" + host_, entry_body()},
      {"null origin", "Origin", "null", entry_body()},
      {"console without its port", "Origin", "https://console.localhost", entry_body()},
      {"console over http", "Origin", "http://console.localhost:8443", entry_body()},
      {"another tenant's device", "Origin", "https://abcdefghij23456z.aaaaaaaaaa.devices.localhost:8443", entry_body()},
      {"JSON", "Content-Type", "application/json", entry_body()},
      {"text", "Content-Type", "text/plain", entry_body()},
      {"no type", "Content-Type", "-", entry_body()},
      {"script", "Sec-Fetch-Mode", "cors", entry_body()},
      {"frame", "Sec-Fetch-Dest", "iframe", entry_body()},
      {"wrong secret", "", "", entry_body(other)},
      {"short secret", "", "", entry_body(ByteView(kSecret).first(31))},
      {"long secret", "", "", entry_body(Bytes(33, 0x42))},
      {"empty body", "", "", ""},
      {"empty secret", "", "", "secret="},
      {"secret twice", "", "", entry_body() + "&" + entry_body()},
      {"unknown field", "", "", entry_body() + "&x=1"},
      {"padded base64", "", "", entry_body() + "="},
      {"body over its limit", "", "", entry_body() + "&grant=" + std::string(kMaxEntryBody, 'A')},
  };
  for (const auto& one : cases) {
    RequestHead head = entry_request();
    if (one.value == "-") {
      std::erase_if(head.headers, [&](const Header& h) { return h.name == one.name; });
    } else if (!one.name.empty()) {
      header(head, one.name).value = one.value;
    }
    EXPECT_EQ(describe(decide(head, one.body)), "403 entry_refused") << one.title;
  }
  for (const std::string_view method : {"GET", "PUT", "OPTIONS", "post"}) {
    RequestHead head = entry_request();
    head.method = method;
    EXPECT_EQ(describe(decide(head, entry_body())), "403 entry_refused") << method;
  }
  RequestHead with_query = entry_request();
  with_query.target += "?secret=x";
  EXPECT_EQ(describe(decide(with_query, entry_body())), "403 entry_refused");
  RequestHead two_origins = entry_request();
  two_origins.headers.push_back({"origin", "https://console.localhost:8443"});
  EXPECT_EQ(describe(decide(two_origins, entry_body())), "403 entry_refused");
  EXPECT_EQ(gate_.entered(), 0U);
  enter();
}

TEST_F(EntryGateTest, EveryRequestNeedsTheCookieOfThisSession) {
  enter();
  const std::string good = cookie_;
  EXPECT_EQ(describe(decide(request())), "forward");
  std::string flipped = good;
  flipped[20] = flipped[20] == 'A' ? 'B' : 'A';
  const struct {
    std::string_view title;
    std::string cookie;
  } cases[] = {
      {"none", ""},
      {"another", "sid=1"},
      {"flipped", flipped},
      {"cut", good.substr(0, good.size() - 1)},
      {"longer", good + "A"},
      {"empty value", "__Host-sallyport="},
      {"other case", "__host-" + good.substr(7)},
      {"twice", good + "; " + good},
      {"a planted one first", "__Host-sallyport=x; " + good},
      {"quoted", "__Host-sallyport=\"" + good.substr(17) + "\""},
  };
  for (const auto& one : cases) {
    cookie_ = one.cookie;
    EXPECT_EQ(describe(decide(request())), "401 no_session") << one.title;
  }
  cookie_ = good;
  RequestHead two_headers = request();
  two_headers.headers.push_back({"cookie", good});
  EXPECT_EQ(describe(decide(two_headers)), "401 no_session");
}

TEST_F(EntryGateTest, CookieOfOneSessionOpensNoOther) {
  enter();
  const AccessGrant other = browser_grant(2);
  ASSERT_TRUE(live_.admit(other, kNow));
  const DnsName other_name = grant_host(other, kZone);
  RequestHead head = request();
  header(head, "Host").value = other_name.get() + ":8443";
  EXPECT_EQ(describe(gate_.decide(other_name, head, {}, kNow)), "401 no_session");
  RequestHead second_entry = entry_request();
  header(second_entry, "Host").value = other_name.get() + ":8443";
  EXPECT_EQ(describe(gate_.decide(other_name, second_entry, as_bytes(entry_body()), kNow)), "answer");
  EXPECT_EQ(describe(gate_.decide(other_name, head, {}, kNow)), "401 no_session");
}

TEST_F(EntryGateTest, NothingWithoutALiveBrowserGrant) {
  enter();
  EXPECT_EQ(describe(decide(request(), {}, kNow + seconds(360))), "403 no_grant");
  AccessGrant cli = make_grant(3);
  cli.proof_kind = ProofKind::client_key;
  ASSERT_TRUE(live_.admit(cli, kNow));
  EXPECT_EQ(describe(gate_.decide(grant_host(cli, kZone), request(), {}, kNow)), "403 no_grant");
  EXPECT_EQ(describe(gate_.decide(DnsName("k3v7q2x5ma.devices.localhost"), request(), {}, kNow)), "403 no_grant");
  live_.cut(grant_.session(), kNow);
  EXPECT_EQ(describe(decide(request())), "403 no_grant");
  EXPECT_EQ(describe(decide(entry_request(), entry_body())), "403 no_grant");
}

TEST_F(EntryGateTest, HostMustBeTheConnectionsName) {
  enter();
  const AccessGrant other = browser_grant(2);
  ASSERT_TRUE(live_.admit(other, kNow));
  for (const std::string& host : {name_.get(), name_.get() + ":443", name_.get() + ":8444", name_.get() + ".:8443",
                                  std::string("localhost"), std::string(), grant_host(other, kZone).get() + ":8443",
                                  host_ + ",x", "X" + host_, std::string("127.0.0.1:8443")}) {
    RequestHead head = request();
    header(head, "Host").value = host;
    EXPECT_EQ(describe(decide(head)), "421 wrong_host") << host;
    RequestHead entry = entry_request();
    header(entry, "Host").value = host;
    EXPECT_EQ(describe(decide(entry, entry_body())), "421 wrong_host") << host;
  }
  RequestHead two = request();
  two.headers.push_back({"HOST", host_});
  EXPECT_EQ(describe(decide(two)), "421 wrong_host");
  RequestHead none = request();
  std::erase_if(none.headers, [](const Header& h) { return h.name == "Host"; });
  EXPECT_EQ(describe(decide(none)), "421 wrong_host");
}

TEST_F(EntryGateTest, OnPort443NeitherHostNorOriginCarriesIt) {
  EntryGate gate(live_, random_, {.public_port = 443});
  RequestHead entry = entry_request();
  header(entry, "Host").value = name_.get();
  ASSERT_EQ(describe(gate.decide(name_, entry, as_bytes(entry_body()), kNow)), "answer");
  header(entry, "Host").value = name_.get() + ":443";
  EXPECT_EQ(describe(gate.decide(name_, entry, as_bytes(entry_body()), kNow)), "421 wrong_host");
}

TEST_F(EntryGateTest, PagesOfOtherOriginsGetNothing) {
  enter();
  const struct {
    std::string site;
    std::string_view want;
  } cases[] = {{"none", "forward"},
               {"same-origin", "forward"},
               {"same-site", "403 foreign_site"},
               {"cross-site", "403 foreign_site"},
               {"", "403 foreign_site"},
               {"Same-Origin", "403 foreign_site"}};
  for (const auto& one : cases) {
    RequestHead head = request();
    header(head, "Sec-Fetch-Site").value = one.site;
    EXPECT_EQ(describe(decide(head)), one.want) << one.site;
  }
  RequestHead two = request();
  two.headers.push_back({"sec-fetch-site", "none"});
  EXPECT_EQ(describe(decide(two)), "403 foreign_site");
  RequestHead absent = request();
  std::erase_if(absent.headers, [](const Header& h) { return h.name == "Sec-Fetch-Site"; });
  EXPECT_EQ(describe(decide(absent)), "forward");
}

TEST_F(EntryGateTest, ChangesAndUpgradesNeedTheOwnOrigin) {
  enter();
  const std::string own = "https://" + host_;
  const auto with_origin = [&](RequestHead head, std::string_view origin) {
    if (origin != "-") head.headers.push_back({"Origin", std::string(origin)});
    return describe(decide(head));
  };
  RequestHead websocket = request();
  websocket.headers.push_back({"Upgrade", "websocket"});
  RequestHead connection_upgrade = request();
  connection_upgrade.headers.push_back({"Connection", "keep-alive, Upgrade"});
  for (const RequestHead& head :
       {request("POST"), request("PUT"), request("DELETE"), request("PATCH"), request("OPTIONS"), request("get"),
        request("PROPFIND"), websocket, connection_upgrade}) {
    EXPECT_EQ(with_origin(head, own), "forward") << head.method;
    for (const std::string& origin : {std::string("-"), std::string("null"), std::string(), "https://" + name_.get(),
                                      "http://" + host_, std::string("https://console.localhost:8443"),
                                      std::string("https://abcdefghij23456z.aaaaaaaaaa.devices.localhost:8443")})
      EXPECT_EQ(with_origin(head, origin), "403 wrong_origin") << head.method << " " << origin;
  }
  EXPECT_EQ(with_origin(request("HEAD"), "-"), "forward");
  EXPECT_EQ(with_origin(request("GET"), "-"), "forward");
}

TEST_F(EntryGateTest, ReservedPathsNeverReachTheApplication) {
  enter();
  for (const std::string& target :
       {"/.sallyport", "/.sallyport/", "/.sallyport/x", "/.sallyport?x", "/%2esallyport/x", "/%2E%73allyport/x",
        "//.sallyport/x", "/./.sallyport/x", "/a/../.sallyport/x", "/a/%2e%2e/.sallyport/x", "/.SALLYPORT/x",
        "/.sallyport;a=b/x", "\\.sallyport/x", "/\\.sallyport\\x", "/.sallyport%2fenter", "/../.sallyport/x"}) {
    const std::string got = describe(decide(request("GET", target)));
    EXPECT_EQ(got, target.starts_with('/') ? "404 reserved_path" : "400 bad_request") << target;
  }
  for (const std::string& target : {"/sallyport", "/.sallyportx", "/x/.sallyport", "/?/.sallyport/", "/%"})
    EXPECT_EQ(describe(decide(request("GET", target))), "forward") << target;
}

TEST_F(EntryGateTest, MalformedRequestsAreRefusedFirst) {
  enter();
  for (const std::string& target : {"", "*", "http://x/", "x", "/a b", "/a\tb", "/a#b", "/a\nb"})
    EXPECT_EQ(describe(decide(request("GET", target))), "400 bad_request") << target;
  for (const std::string& method : {"CONNECT", "TRACE", "trace", "", "G T", "GET\n"})
    EXPECT_EQ(describe(decide(request(method))), "400 bad_request") << method;
  RequestHead many = request();
  while (many.headers.size() <= kMaxRequestHeaders) many.headers.push_back({"X-A", "1"});
  EXPECT_EQ(describe(decide(many)), "400 bad_request");
}

TEST_F(EntryGateTest, WhatOnlyTheAgentMaySayIsStripped) {
  enter();
  RequestHead head = request();
  head.headers = {{"Host", host_},
                  {"Accept", "*/*"},
                  {"Forwarded", "for=1.2.3.4"},
                  {"X-Forwarded-For", "1.2.3.4"},
                  {"x-forwarded-host", "evil"},
                  {"X_Forwarded_Proto", "http"},
                  {"X-Sallyport-User", "root"},
                  {"x_sallyport_user", "root"},
                  {"Cookie", "a=1; " + cookie_ + "; __Host-p-sid=secret; sid=planted; __HOST-SALLYPORT-X=1"},
                  {"Cookie", "__Host-p-=x; b=2; __hOSt-p-z=3; x __Host-sallyport=1; =4; c=\x01; d"},
                  {"X-Custom", "kept"}};
  const auto decision = decide(head);
  ASSERT_EQ(describe(decision), "forward");
  const auto& forward = std::get<GateForward>(decision);
  EXPECT_EQ(forward.headers,
            (Headers{{"Host", host_}, {"Accept", "*/*"}, {"Cookie", "sid=secret"}, {"X-Custom", "kept"}}));
  EXPECT_EQ(forward.grant, grant_);
  const auto scripted = gate_.decide(name_, head, {}, kNow, CookiePolicy::scripted);
  EXPECT_EQ(std::get<GateForward>(scripted).headers,
            (Headers{{"Host", host_}, {"Accept", "*/*"}, {"Cookie", "a=1; sid=secret; b=2"}, {"X-Custom", "kept"}}));
}

TEST_F(EntryGateTest, PlantedCookiesAreNotForwarded) {
  enter();
  for (const std::string_view planted : {"a=1", "sid=1; sid=2", "__Secure-a=1", "__Host-P-sid=1", "__host-p-sid=1",
                                         "__Host-q=1", "Path=/", "__Host-p-"}) {
    RequestHead head = request();
    header(head, "Cookie").value = fmt::format("{}; {}", planted, cookie_);
    const auto decision = decide(head);
    ASSERT_EQ(describe(decision), "forward") << planted;
    for (const Header& each : std::get<GateForward>(decision).headers) EXPECT_NE(each.name, "Cookie") << planted;
  }
}

TEST_F(EntryGateTest, RequestWithOurCookieAloneForwardsNone) {
  enter();
  const auto decision = decide(request());
  for (const Header& header : std::get<GateForward>(decision).headers) EXPECT_NE(header.name, "Cookie");
}

TEST_F(EntryGateTest, EntriesOfEndedSessionsMakeRoom) {
  SeededRandom random(3);
  for (std::size_t i = 0; i < 2 * kMaxLiveGrants; ++i) {
    AccessGrant grant = browser_grant();
    grant.id = draw_grant_id(random);
    grant.label = draw_grant_label(random);
    const UnixTime now = kNow + seconds(static_cast<std::int64_t>(i));
    grant.issued = now;
    grant.expires = now + seconds(1);
    live_.expire(now);
    ASSERT_TRUE(live_.admit(grant, now));
    RequestHead head = entry_request();
    header(head, "Host").value = grant_host(grant, kZone).get() + ":8443";
    ASSERT_EQ(describe(gate_.decide(grant_host(grant, kZone), head, as_bytes(entry_body()), now)), "answer") << i;
  }
  EXPECT_LE(gate_.entered(), kMaxLiveGrants);
}

TEST(EntryForm, MayCarryASealedGrant) {
  const auto form = parse_entry_form(as_bytes(entry_body() + "&grant=AQID"));
  ASSERT_TRUE(form);
  EXPECT_TRUE(form->secret.equals(kSecret));
  EXPECT_EQ(form->sealed_grant, (Bytes{1, 2, 3}));
  EXPECT_FALSE(parse_entry_form(as_bytes(entry_body() + "&grant=")));
  EXPECT_FALSE(parse_entry_form(as_bytes(std::string("grant=AQID"))));
}

TEST(RewriteResponse, HoldsCookiesAndLosesDomains) {
  const struct {
    std::string set;
    std::vector<std::string> want;
  } cases[] = {
      {"sid=1; HttpOnly", {"__Host-p-sid=1; Path=/; Secure; HttpOnly"}},
      {"sid=1; Domain=devices.localhost; Path=/app; httponly; SameSite=Lax",
       {"__Host-p-sid=1; Path=/; Secure; httponly; SameSite=Lax"}},
      {"sid=1; Domain=.localhost; Path=/app; Secure",
       {"sid=1; Path=/app; Secure", "__Host-p-sid=1; Path=/; Secure; HttpOnly"}},
      {"sid=1; SameSite=Lax; Max-Age=9",
       {"sid=1; SameSite=Lax; Max-Age=9", "__Host-p-sid=1; Path=/; Secure; SameSite=Lax; Max-Age=9; HttpOnly"}},
      {"sid=; Max-Age=0", {"sid=; Max-Age=0", "__Host-p-sid=; Path=/; Secure; Max-Age=0; HttpOnly"}},
      {"sid=1; DOMAIN = x;;", {"sid=1", "__Host-p-sid=1; Path=/; Secure; HttpOnly"}},
      {"__Host-sallyport=x; Path=/; Secure", {}},
      {"__HOST-Sallyport=x; Path=/; Secure", {}},
      {"__Host-p-sid=x; Path=/; Secure", {}},
      {"=__Host-sallyport=x", {}},
      {"__Host-sallyport", {}},
      {"", {}},
      {"a=b\r\nSet-Cookie: c=d", {}},
  };
  for (const auto& one : cases) EXPECT_EQ(rewrite_set_cookie(one.set, CookiePolicy::held), one.want) << one.set;
  const Headers rewritten = EntryGate::rewrite_response(
      {{"Content-Type", "text/html"}, {"alt-svc", "h3=\":1\""}, {"set-cookie", "sid=1; HttpOnly"}});
  EXPECT_EQ(rewritten,
            (Headers{{"Content-Type", "text/html"}, {"Set-Cookie", "__Host-p-sid=1; Path=/; Secure; HttpOnly"}}));
}

TEST(RewriteResponse, LeavesOpenCookiesToScriptsThatWriteThem) {
  const auto rewrite = [](std::string_view set) { return rewrite_set_cookie(set, CookiePolicy::scripted); };
  const std::string ends_sid = "__Host-p-sid=; Path=/; Secure; HttpOnly; Max-Age=0";
  EXPECT_EQ(rewrite("sid=1; HttpOnly"), std::vector<std::string>{"__Host-p-sid=1; Path=/; Secure; HttpOnly"});
  EXPECT_EQ(rewrite("sid=1; Domain=.localhost; Path=/app"), (std::vector<std::string>{"sid=1; Path=/app", ends_sid}));
  EXPECT_EQ(rewrite("sid=; Max-Age=0"), (std::vector<std::string>{"sid=; Max-Age=0", ends_sid}));
  EXPECT_EQ(rewrite("__Host-p-sid=x; Path=/; Secure"), std::vector<std::string>{});
}

}  // namespace
}  // namespace sallyport::tunnel
