// Direct access by a browser: the entry form brings the grant, and what came in later lives by the cookie.
#include "agent/detail/test_direct.h"
#include "http/client.h"
#include "http/server.h"

namespace sallyport::agent {
namespace {

using testing::DirectTest;
using testing::kConsole;
using testing::kDevice;
using testing::KeyHolder;
using testing::kSoon;
using testing::kZone;

net::Task<http::Response> tell_target(http::Request request, net::PeerInfo) {
  co_return http::Response::text(request.method + " " + request.target);
}

http::Router target_routes() {
  http::Router router;
  router.add("GET", "/{rest...}", tell_target);
  router.add("POST", "/{rest...}", tell_target);
  return router;
}

class DirectBrowsersTest : public DirectTest {
 protected:
  DirectBrowsersTest() : application(target_routes()) {
    net::spawn(io.executor(), serve_application(*this), "test.direct-application");
  }
  static net::Task<void> serve_application(DirectBrowsersTest& self) {
    for (;;) {
      auto stream = co_await self.web_port->accept(net::Deadline::never());
      if (!stream) co_return;
      net::spawn(self.io.executor(), self.application.serve(*std::move(stream)), "test.direct-application");
    }
  }

  std::string host_of(const tunnel::AccessGrant& grant) const {
    return fmt::format("{}:{}", tunnel::grant_host(grant, kZone).get(), listener->address().port);
  }
  // What the console has a browser submit.
  http::Request entry(const tunnel::AccessGrant& grant, std::string_view secret_text, Bytes sealed) const {
    std::string body = fmt::format("secret={}", secret_text);
    if (!sealed.empty()) body += "&grant=" + codec::encode_base64url(sealed);
    http::Request request = http::post("/.sallyport/enter", "application/x-www-form-urlencoded", to_bytes(body));
    request.headers.set("Host", host_of(grant));
    request.headers.set("Origin", kConsole);
    return request;
  }
  http::Request entry(const tunnel::AccessGrant& grant) const {
    return entry(grant, codec::encode_base64url(secret), tree.seal(grant));
  }
  http::Request page(const tunnel::AccessGrant& grant, std::string cookie, std::string method = "GET") const {
    http::Request request;
    request.method = std::move(method);
    request.target = "/machine";
    request.headers.set("Host", host_of(grant));
    if (!cookie.empty()) request.headers.set("Cookie", cookie);
    return request;
  }
  // One request on a connection of its own, under the name of `grant`.
  net::Task<Result<http::Response>> send(const tunnel::AccessGrant& grant, http::Request request) {
    CO_TRY(auto stream, co_await visit(tunnel::grant_host(grant, kZone)));
    http::Client browser(std::move(stream), host_of(grant));
    co_return co_await browser.send(std::move(request), kSoon);
  }
  net::Task<unsigned> status_of(const tunnel::AccessGrant& grant, http::Request request) {
    const auto answer = co_await send(grant, std::move(request));
    co_return answer ? answer->status : 0;
  }
  static std::string cookie_of(const http::Response& response) {
    const std::string_view line = response.headers.get("Set-Cookie");
    return std::string(line.substr(0, line.find(';')));
  }

  net::Task<void> enter();
  net::Task<void> enter_again();
  net::Task<void> come_wrongly();
  net::Task<void> ask_wrongly();
  net::Task<void> stay_outside();
  net::Task<void> come_early();
  net::Task<void> be_refused_on_the_spot();
  net::Task<void> be_cut();
  net::Task<void> know_the_label();
  net::Task<void> bring_what_is_older();

  http::Server application;
};

net::Task<void> DirectBrowsersTest::enter() {
  const auto grant = make_grant();
  const auto entered = co_await send(grant, entry(grant));
  CO_ASSERT(entered && entered->status == 200);
  EXPECT_EQ(entered->headers.get("Connection"), "close");
  const std::string cookie = cookie_of(*entered);
  CO_ASSERT(cookie.starts_with("__Host-sallyport="));
  auto stream = co_await visit(tunnel::grant_host(grant, kZone));
  CO_ASSERT(stream);
  http::Client browser(*std::move(stream), host_of(grant));
  for (int i = 0; i < 3; ++i) {
    const auto shown = co_await browser.send(page(grant, cookie), kSoon);
    CO_ASSERT(shown && shown->status == 200);
    EXPECT_EQ(as_text(shown->body), "GET /machine");
  }
  EXPECT_EQ(door.strangers(), 0U);
  http::Request change = page(grant, cookie, "POST");
  change.headers.set("Origin", "https://" + host_of(grant));
  const auto changed = co_await browser.send(std::move(change), kSoon);
  EXPECT_TRUE(changed && changed->status == 200);
}

TEST_F(DirectBrowsersTest, EnterWithTheGrantInTheFormAndStayByTheCookie) {
  run(enter());
}

net::Task<void> DirectBrowsersTest::enter_again() {
  const auto grant = make_grant();
  CO_ASSERT(co_await status_of(grant, entry(grant)) == 200);
  const auto again = co_await send(grant, entry(grant));
  CO_ASSERT(again);
  EXPECT_EQ(again->status, 403U);
  EXPECT_NE(as_text(again->body).find("used already"), std::string_view::npos);
  EXPECT_EQ(again->headers.get("Set-Cookie"), "");
}

TEST_F(DirectBrowsersTest, EnterWithASecretOnce) {
  run(enter_again());
}

net::Task<void> DirectBrowsersTest::come_wrongly() {
  const auto grant = make_grant();
  const auto other = make_grant();
  const std::string good = codec::encode_base64url(secret);
  const std::string wrong = codec::encode_base64url(Bytes(tunnel::kEntrySecretSize, 8));
  EXPECT_EQ(co_await status_of(grant, entry(grant, good, {})), 403U) << "without a grant";
  EXPECT_EQ(co_await status_of(grant, entry(grant, wrong, tree.seal(grant))), 403U) << "another secret";
  EXPECT_EQ(co_await status_of(grant, entry(grant, good, tree.seal(other))), 403U) << "the grant of another label";
  Bytes changed = tree.seal(grant);
  changed[changed.size() / 2] ^= 1U;
  EXPECT_EQ(co_await status_of(grant, entry(grant, good, changed)), 403U) << "a changed grant";
  EXPECT_EQ(co_await status_of(grant, entry(grant, good, Bytes(20'000, 1))), 413U) << "a body without end";
  http::Request foreign = entry(grant);
  foreign.headers.set("Origin", "https://evil.example");
  EXPECT_EQ(co_await status_of(grant, std::move(foreign)), 403U) << "another page's form";
  http::Request relayed = entry(grant);
  relayed.headers.set("Host", tunnel::grant_host(grant, kZone).get());
  EXPECT_EQ(co_await status_of(grant, std::move(relayed)), 421U) << "the relay's port";
  EXPECT_EQ(co_await status_of(grant, page(grant, "")), 401U) << "without a cookie, though the grant is in force now";
  const auto key = make_grant("echo");
  EXPECT_EQ(co_await status_of(key, entry(key)), 403U) << "a service of another kind";
  pass(seconds(400));
  const auto late = co_await send(grant, entry(grant));
  EXPECT_TRUE(late && late->status == 403);
  EXPECT_EQ(access.gate().entered(), 0U);
}

TEST_F(DirectBrowsersTest, DoNotEnterWithAnythingElse) {
  run(come_wrongly());
}

net::Task<void> DirectBrowsersTest::ask_wrongly() {
  const auto grant = make_grant();
  EXPECT_EQ(co_await status_of(grant, page(grant, "")), 403U) << "before anybody has entered";
  const auto entered = co_await send(grant, entry(grant));
  CO_ASSERT(entered);
  const std::string cookie = cookie_of(*entered);
  EXPECT_EQ(co_await status_of(grant, page(grant, "__Host-sallyport=AAAA")), 401U);
  http::Request other_port = page(grant, cookie);
  other_port.headers.set("Host", tunnel::grant_host(grant, kZone).get());
  EXPECT_EQ(co_await status_of(grant, std::move(other_port)), 421U);
  http::Request other_origin = page(grant, cookie, "POST");
  other_origin.headers.set("Origin", "https://" + tunnel::grant_host(grant, kZone).get());
  EXPECT_EQ(co_await status_of(grant, std::move(other_origin)), 403U) << "the origin without the port is another one";
  http::Request other_site = page(grant, cookie);
  other_site.headers.set("Sec-Fetch-Site", "same-site");
  EXPECT_EQ(co_await status_of(grant, std::move(other_site)), 403U);
  EXPECT_FALSE(co_await visit(under(draw_grant_label(random).get(), under("zyxwvutsrq", kZone))));
}

TEST_F(DirectBrowsersTest, AreJudgedAsThroughTheRelayUnderTheirOwnPort) {
  run(ask_wrongly());
}

net::Task<void> DirectBrowsersTest::stay_outside() {
  const auto grant = make_grant();
  const auto entered = co_await send(grant, entry(grant));
  CO_ASSERT(entered);
  CO_ASSERT(access.set_open(ServiceName("panel"), false));
  EXPECT_EQ(co_await status_of(grant, page(grant, cookie_of(*entered))), 403U);
  const auto next = make_grant();
  EXPECT_EQ(co_await status_of(next, entry(next)), 403U);
  CO_ASSERT(access.set_open(ServiceName("panel"), true));
  CO_ASSERT(access.set_on(false));
  const auto refused = co_await send(next, entry(next));
  CO_ASSERT(refused);
  EXPECT_EQ(refused->status, 403U);
  EXPECT_NE(as_text(refused->body).find("switched off"), std::string_view::npos);
}

TEST_F(DirectBrowsersTest, AreLeftOutsideByTheSwitchesOfTheDevice) {
  run(stay_outside());
}

net::Task<void> DirectBrowsersTest::be_refused_on_the_spot() {
  const std::string file = (folder / "asked").native();
  consent.consent_command = {"/bin/sh", "-c", "echo >> " + file + "; exit 1"};
  const auto grant = make_grant();
  const std::string wrong = codec::encode_base64url(Bytes(tunnel::kEntrySecretSize, 8));
  EXPECT_EQ(co_await status_of(grant, entry(grant, wrong, tree.seal(grant))), 403U);
  EXPECT_FALSE(std::filesystem::exists(file)) << "somebody was asked about a user who proved nothing";
  EXPECT_EQ(co_await status_of(grant, entry(grant)), 403U);
  EXPECT_TRUE(std::filesystem::exists(file));
  const auto size = std::filesystem::file_size(file);
  EXPECT_EQ(co_await status_of(grant, page(grant, "")), 403U);
  EXPECT_EQ(co_await status_of(grant, entry(grant, codec::encode_base64url(secret), {})), 403U)
      << "in force, but nobody has consented";
  EXPECT_EQ(std::filesystem::file_size(file), size);
  EXPECT_EQ(access.gate().entered(), 0U);
}

TEST_F(DirectBrowsersTest, NeedTheConsentOfWhoIsAskedOnTheSpot) {
  run(be_refused_on_the_spot());
}

// Browsers open connections ahead of their requests.
net::Task<void> DirectBrowsersTest::come_early() {
  const auto grant = make_grant();
  auto early = co_await visit(tunnel::grant_host(grant, kZone));
  CO_ASSERT(early);
  const auto entered = co_await send(grant, entry(grant));
  CO_ASSERT(entered);
  http::Client browser(*std::move(early), host_of(grant));
  const auto shown = co_await browser.send(page(grant, cookie_of(*entered)), kSoon);
  CO_ASSERT(shown);
  EXPECT_EQ(shown->status, 200U);
}

TEST_F(DirectBrowsersTest, MayHaveConnectedBeforeTheyEntered) {
  run(come_early());
}

net::Task<void> DirectBrowsersTest::be_cut() {
  const auto grant = make_grant();
  const auto entered = co_await send(grant, entry(grant));
  CO_ASSERT(entered);
  const std::string cookie = cookie_of(*entered);
  auto stream = co_await visit(tunnel::grant_host(grant, kZone));
  CO_ASSERT(stream);
  http::Client browser(*std::move(stream), host_of(grant));
  CO_ASSERT(co_await browser.send(page(grant, cookie), kSoon));
  access.cut(grant.session());
  EXPECT_FALSE(co_await browser.send(page(grant, cookie), kSoon));
  EXPECT_EQ(co_await status_of(grant, page(grant, cookie)), 403U);
  EXPECT_EQ(co_await status_of(grant, entry(grant)), 403U) << "a session that was cut is over";
}

TEST_F(DirectBrowsersTest, EndWithTheirSession) {
  run(be_cut());
}

// Whoever has seen the label in a hello or a query for a name.
net::Task<void> DirectBrowsersTest::know_the_label() {
  const auto grant = make_grant();
  const auto entered = co_await send(grant, entry(grant));
  CO_ASSERT(entered);
  auto stream = co_await visit(tunnel::grant_host(grant, kZone));
  CO_ASSERT(stream);
  http::Client browser(*std::move(stream), host_of(grant));
  std::vector<net::StreamPtr> strangers;
  for (std::size_t i = 1; i < kDirectStrangersPerSource; ++i) {
    auto stranger = co_await visit(tunnel::grant_host(grant, kZone));
    CO_ASSERT(stranger);
    co_await testing::say(**stranger, "G");
    strangers.push_back(*std::move(stranger));
  }
  while (access.open_connections() < kDirectStrangersPerSource - 1) co_await net::sleep_for(milliseconds(1));
  EXPECT_FALSE(co_await visit(tunnel::grant_host(grant, kZone))) << "one more than a source may have";
  const auto shown = co_await browser.send(page(grant, cookie_of(*entered)), kSoon);
  EXPECT_TRUE(shown && shown->status == 200);
  EXPECT_TRUE(co_await visit(tunnel::grant_host(grant, kZone))) << "who has shown his cookie is no stranger";
}

TEST_F(DirectBrowsersTest, AreStrangersUntilTheirCookieIsSeen) {
  run(know_the_label());
}

// What the agent had cut before it began anew is not remembered.
net::Task<void> DirectBrowsersTest::bring_what_is_older() {
  auto grant = make_grant();
  grant.issued = grant.issued - seconds(1);
  grant.expires = grant.expires - seconds(1);
  EXPECT_EQ(co_await status_of(grant, entry(grant)), 403U);
  EXPECT_EQ(co_await status_of(grant, page(grant, "")), 403U);
  grant.issued = grant.issued + seconds(1);
  EXPECT_EQ(co_await status_of(grant, entry(grant)), 200U);
}

TEST_F(DirectBrowsersTest, AreNotLetInWithGrantsOlderThanTheAgent) {
  run(bring_what_is_older());
}

}  // namespace
}  // namespace sallyport::agent
