#include "console/console.h"

#include "console/detail/test_console.h"

namespace sallyport::console {
namespace {

const std::string kLogin = R"({"login":"olga","password":"correct horse battery"})";
const std::string kDevicePath = "/api/v1/devices/" + std::string(kTestDevice);

TEST_F(ConsoleTest, LogsInWithANewIdEachTime) {
  const auto first = send(post("/api/v1/login", kLogin));
  ASSERT_EQ(first.status, 200U) << as_text(first.body);
  const std::string cookie = cookie_of(first);
  EXPECT_EQ(cookie.size(), 64U);
  const auto session = json_of(first);
  EXPECT_EQ(session.text_at("login").value(), "olga");
  EXPECT_EQ(session.at("console")->text_at("zone").value(), "devices.example");
  EXPECT_EQ(send(get("/api/v1/session", cookie)).status, 200U);

  const std::string second = cookie_of(send(post("/api/v1/login", kLogin, cookie)));
  EXPECT_NE(second, cookie) << "a session id that was there before the login must not survive it";
  EXPECT_EQ(send(get("/api/v1/session", cookie)).status, 401U);
  EXPECT_EQ(send(get("/api/v1/session", second)).status, 200U);
}

TEST_F(ConsoleTest, RefusesLoginsWithOneText) {
  authority.users.at("vera").enabled = false;
  std::vector<std::string> details;
  for (const char* body :
       {R"({"login":"olga","password":"wrong"})", R"({"login":"nobody","password":"wrong"})",
        R"({"login":"vera","password":"correct horse battery"})", R"({"login":"NO","password":"x"})"}) {
    const auto response = send(post("/api/v1/login", body));
    EXPECT_EQ(response.status, 401U);
    EXPECT_EQ(problem_of(response), "login-refused");
    EXPECT_FALSE(response.headers.has("Set-Cookie"));
    details.push_back(json_of(response).text_at("detail").value());
  }
  for (const std::string& detail : details) EXPECT_EQ(detail, details.front());
}

TEST_F(ConsoleTest, APasswordThatWasChangedMeanwhileOpensNothing) {
  const std::string other = *hash_password(as_bytes("another long password"), random);
  authority.on_found = [&] { authority.users.at("olga").password_hash = other; };
  const auto late = send(post("/api/v1/login", kLogin));
  EXPECT_EQ(late.status, 401U);
  EXPECT_EQ(problem_of(late), "login-refused");
  EXPECT_FALSE(late.headers.has("Set-Cookie"));
  EXPECT_TRUE(authority.sessions.empty());

  const std::string cookie = authority.add_session("vera");
  authority.on_found = [&] { authority.users.at("vera").password_hash = other; };
  const auto body = R"({"current":"correct horse battery","new":"a third long password"})";
  EXPECT_EQ(problem_of(send(post("/api/v1/session/password", body, cookie))), "login-refused");
  EXPECT_EQ(authority.users.at("vera").password_hash, other) << "who was quicker counts";
}

TEST_F(ConsoleTest, StrangersCauseOneLineOfTheLogASecond) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 20; ++i) send(get("/api/v1/session"));
  clock.advance(seconds(1));
  send(post("/api/v1/login", R"({"login":"olga","password":"wrong"})"));
  send(get("/api/v1/session", authority.add_session("olga")));
  const std::string log = ::testing::internal::GetCapturedStderr();
  std::size_t lines = 0;
  for (auto at = log.find("console.request "); at != std::string::npos; at = log.find("console.request ", at + 1))
    ++lines;
  EXPECT_EQ(lines, 3U) << log;
  EXPECT_TRUE(log.contains("left_out=19")) << log;
}

TEST_F(ConsoleTest, SlowsGuessingDown) {
  for (std::size_t i = 0; i < kLoginTries; ++i) {
    EXPECT_EQ(send(post("/api/v1/login", R"({"login":"olga","password":"wrong"})")).status, 401U);
  }
  const auto refused = send(post("/api/v1/login", kLogin));
  EXPECT_EQ(problem_of(refused), "too-many-requests");
  EXPECT_TRUE(refused.headers.has("Retry-After"));
  clock.advance(kLoginWindow);
  EXPECT_EQ(send(post("/api/v1/login", kLogin)).status, 200U);
}

TEST_F(ConsoleTest, RefusesWhatAnotherSiteCouldSend) {
  const std::string cookie = authority.add_session("olga");
  const std::string path = kDevicePath + "/suspend";
  auto form = post(path, "{}", cookie);
  form.headers.set("Content-Type", "text/plain");
  EXPECT_EQ(problem_of(send(form)), "unsupported-media-type");
  for (const char* origin :
       {"https://evil.example", "null", "https://console.example", "http://console.example:8443"}) {
    auto foreign = post(path, "{}", cookie);
    foreign.headers.set("Origin", origin);
    EXPECT_EQ(problem_of(send(foreign)), "origin-mismatch") << origin;
  }
  auto without = post(path, "{}", cookie);
  without.headers.remove("Origin");
  EXPECT_EQ(problem_of(send(without)), "origin-mismatch");
  auto guessed = post(path, "{}", cookie);
  guessed.headers.set("X-CSRF-Token", std::string(64, 'd'));
  EXPECT_EQ(problem_of(send(guessed)), "csrf-mismatch");
  auto missing = post(path, "{}", cookie);
  missing.headers.remove("X-CSRF-Token");
  EXPECT_EQ(problem_of(send(missing)), "csrf-mismatch");
  EXPECT_TRUE(authority.asked.empty()) << "nothing of this may reach the authority";
  EXPECT_EQ(send(post(path, "", cookie)).status, 200U);
}

TEST_F(ConsoleTest, AsksTheAuthorityAsThePerson) {
  const auto response = send(post(kDevicePath + "/alias", R"({"alias":"Presse 3"})", authority.add_session("olga")));
  ASSERT_EQ(response.status, 200U) << as_text(response.body);
  EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
  ASSERT_EQ(authority.asked.size(), 1U);
  const records::AdminRequest& asked = authority.asked.front();
  EXPECT_EQ(asked.method, "device.alias");
  EXPECT_EQ(asked.actor, "olga");
  EXPECT_EQ(asked.role, records::UserRole::owner);
  EXPECT_EQ(asked.tenant, "acme");
  EXPECT_EQ(asked.parameters, R"({"alias":"Presse 3","name":"abcdefgh22"})");
  EXPECT_EQ(asked.request_id, response.headers.get("X-Request-Id"));
}

TEST_F(ConsoleTest, RefusesMembersThatItDoesNotKnow) {
  const std::string cookie = authority.add_session("olga");
  for (const char* body : {R"({"alias":"x","role":"owner"})", R"({"alias":"x","name":"abcdefgh33"})", R"({})", R"([])",
                           R"({"alias":1})", R"({"alias":"x","alias":"y"})", "{"}) {
    const auto response = send(post(kDevicePath + "/alias", body, cookie));
    EXPECT_EQ(response.status, 400U) << body;
    EXPECT_EQ(problem_of(response), "invalid-request");
  }
  for (const char* query : {"?limit=0", "?limit=5001", "?limit=x", "?limit=1&limit=2", "?tenant=other", "?after=%zz"}) {
    EXPECT_EQ(send(get(std::string("/api/v1/devices") + query, cookie)).status, 400U) << query;
  }
  EXPECT_TRUE(authority.asked.empty());
  EXPECT_EQ(send(get("/api/v1/devices?limit=10&after=a%2Fb", cookie)).status, 200U);
  EXPECT_EQ(authority.asked.front().parameters, R"({"after":"a/b","limit":10})");
}

TEST_F(ConsoleTest, RefusesRolesThatAreTooSmall) {
  const std::string viewer = authority.add_session("vera");
  for (const char* act : {"/suspend", "/resume", "/revoke", "/grants", "/alias", "/remote-access"}) {
    EXPECT_EQ(problem_of(send(post(kDevicePath + act, "{}", viewer))), "forbidden") << act;
  }
  EXPECT_EQ(problem_of(send(get("/api/v1/users", viewer))), "forbidden");
  EXPECT_EQ(problem_of(send(post("/api/v1/claims", "{}", viewer))), "forbidden");
  EXPECT_TRUE(authority.asked.empty());
}

TEST_F(ConsoleTest, EverythingButLoginNeedsASession) {
  for (const char* path : {"/session", "/devices", "/devices/abcdefgh22", "/devices/abcdefgh22/telemetry", "/audit",
                           "/sessions", "/sites", "/pki", "/users", "/events"}) {
    EXPECT_EQ(problem_of(send(get(std::string("/api/v1") + path))), "unauthenticated") << path;
  }
  EXPECT_EQ(send(get("/api/v1/session", std::string(64, 'a'))).status, 401U);
  EXPECT_EQ(send(get("/api/v1/session", "not hexadecimal")).status, 401U);
}

TEST_F(ConsoleTest, WhatIsAnotherTenantsDoesNotExist) {
  const std::string stranger = authority.add_session("omar");
  for (const char* path : {"", "/certificates", "/sessions", "/telemetry"}) {
    EXPECT_EQ(problem_of(send(get(kDevicePath + path, stranger))), "not-found") << path;
  }
  EXPECT_EQ(problem_of(send(post(kDevicePath + "/suspend", "{}", stranger))), "not-found");
  EXPECT_TRUE(telemetry_questions.empty());
}

TEST_F(ConsoleTest, DangerousActsAskForThePasswordAgain) {
  const std::string cookie = authority.add_session("olga");
  const auto revoke = post(kDevicePath + "/revoke", R"({"confirm":"press-3"})", cookie);
  EXPECT_EQ(problem_of(send(revoke)), "step-up-required");
  EXPECT_EQ(problem_of(send(post("/api/v1/session/step-up", R"({"password":"wrong"})", cookie))), "login-refused");
  EXPECT_EQ(problem_of(send(revoke)), "step-up-required");
  EXPECT_EQ(send(post("/api/v1/session/step-up", R"({"password":"correct horse battery"})", cookie)).status, 204U);
  EXPECT_EQ(send(revoke).status, 200U);
  clock.advance(kStepUpLife);
  EXPECT_EQ(problem_of(send(revoke)), "step-up-required");
}

TEST_F(ConsoleTest, APreviewOfADangerousActAsksForNoPassword) {
  const std::string cookie = authority.add_session("olga");
  for (const char* verb : {"disable", "enable", "revoke"}) {
    const std::string path = fmt::format("/api/v1/sites/acme/{}", verb);
    EXPECT_EQ(problem_of(send(post(path, R"({"confirm":"acme"})", cookie))), "step-up-required") << verb;
    EXPECT_EQ(problem_of(send(post(path, R"({"confirm":"acme","dry_run":false})", cookie))), "step-up-required");
    EXPECT_EQ(send(post(path, R"({"dry_run":true})", cookie)).status, 200U) << verb;
    EXPECT_EQ(problem_of(send(post(path, R"({"dry_run":"true"})", cookie))), "invalid-request") << verb;
  }
  const auto other = post(kDevicePath + "/revoke", R"({"confirm":"press-3","dry_run":true})", cookie);
  EXPECT_EQ(problem_of(send(other)), "invalid-request") << "where there is no preview";
}

TEST_F(ConsoleTest, LogoutEndsTheSessionOnTheServer) {
  const std::string cookie = authority.add_session("olga");
  const auto response = send(post("/api/v1/logout", "", cookie));
  EXPECT_EQ(response.status, 204U);
  EXPECT_EQ(cookie_of(response), "");
  EXPECT_TRUE(response.headers.get("Set-Cookie").contains("Max-Age=0"));
  EXPECT_TRUE(authority.sessions.empty());
  EXPECT_EQ(send(get("/api/v1/session", cookie)).status, 401U);
}

TEST_F(ConsoleTest, AChangedPasswordEndsEverySessionAndDrawsThisOneAnew) {
  const std::string here = authority.add_session("olga");
  const std::string elsewhere = authority.add_session("olga");
  const auto change = [&](const char* body) { return send(post("/api/v1/session/password", body, here)); };
  EXPECT_EQ(problem_of(change(R"({"current":"wrong","new":"another good phrase"})")), "login-refused");
  EXPECT_EQ(problem_of(change(R"({"current":"correct horse battery","new":"short"})")), "password-refused");
  const auto changed = change(R"({"current":"correct horse battery","new":"another good phrase"})");
  ASSERT_EQ(changed.status, 204U) << as_text(changed.body);
  const std::string renewed = cookie_of(changed);
  EXPECT_EQ(send(get("/api/v1/session", here)).status, 401U);
  EXPECT_EQ(send(get("/api/v1/session", elsewhere)).status, 401U);
  const auto session = send(get("/api/v1/session", renewed));
  ASSERT_EQ(session.status, 200U);
  EXPECT_EQ(json_of(session).text_at("csrf").value(), authority.csrf) << "the page goes on with the token it has";
}

TEST_F(ConsoleTest, HashesTheNewUsersPassword) {
  const std::string cookie = cookie_of(send(post("/api/v1/login", kLogin)));
  auto request =
      post("/api/v1/users", R"({"login":"nina","role":"viewer","password":"twelve bytes and more"})", cookie);
  request.headers.set("X-CSRF-Token", json_of(send(get("/api/v1/session", cookie))).text_at("csrf").value());
  EXPECT_EQ(send(request).status, 201U);
  ASSERT_EQ(authority.asked.size(), 1U);
  const auto parameters = *codec::parse_json(authority.asked.front().parameters);
  EXPECT_EQ(parameters.find("password"), nullptr);
  EXPECT_TRUE(verify_password(as_bytes("twelve bytes and more"), parameters.text_at("password_hash").value()));
}

TEST_F(ConsoleTest, AGrantBelongsToTheLoginSession) {
  const std::string cookie = authority.add_session("olga");
  EXPECT_EQ(send(post(kDevicePath + "/grants", R"({"service":"panel"})", cookie)).status, 201U);
  const auto parameters = *codec::parse_json(authority.asked.front().parameters);
  EXPECT_EQ(parameters.text_at("login_session").value(), authority.sessions.begin()->first);
  authority.refusal = Error{Errc::conflict, "device-offline: the device has no control connection"};
  EXPECT_EQ(problem_of(send(post(kDevicePath + "/grants", R"({"service":"panel"})", cookie))), "device-offline");
}

TEST_F(ConsoleTest, AClientKeyAsksForAServiceOfKindTcp) {
  const std::string cookie = authority.add_session("olga");
  const std::string key(64, 'a');
  EXPECT_EQ(
      send(post(kDevicePath + "/grants", R"({"service":"ssh","client_key_sha256":")" + key + "\"}", cookie)).status,
      201U);
  const auto parameters = *codec::parse_json(authority.asked.front().parameters);
  EXPECT_EQ(parameters.text_at("client_key_sha256").value(), key);
  EXPECT_EQ(parameters.text_at("kind").value(), "tcp");
  EXPECT_TRUE(parameters.text_at("login_session"));
  for (const std::string& wrong : {std::string(63, 'a'), std::string(65, 'a'), std::string()}) {
    const auto order = R"({"service":"ssh","client_key_sha256":")" + wrong + "\"}";
    EXPECT_EQ(problem_of(send(post(kDevicePath + "/grants", order, cookie))), "invalid-request") << wrong.size();
  }
  const auto order = R"({"service":"ssh","client_key_sha256":")" + key + R"(","kind":"tls"})";
  EXPECT_EQ(problem_of(send(post(kDevicePath + "/grants", order, cookie))), "invalid-request") << "nobody chooses tls";
  authority.refusal = Error{Errc::conflict, "service-not-tcp: the service is of kind http, want tcp"};
  EXPECT_EQ(problem_of(send(post(kDevicePath + "/grants", R"({"service":"panel"})", cookie))), "service-not-tcp");
}

TEST_F(ConsoleTest, ReadsTelemetryOfWhatThePersonMaySee) {
  const std::string cookie = authority.add_session("vera");
  EXPECT_EQ(send(get(kDevicePath + "/telemetry?stream=temperature&limit=5", cookie)).status, 200U);
  ASSERT_EQ(telemetry_questions.size(), 1U);
  EXPECT_EQ(telemetry_questions.front(),
            R"({"device":"abcdefgh22","from":"2027-01-15T07:00:00Z","limit":5,"stream":"temperature"})");
  authority.since = codec::Json("2027-01-01T00:00:00Z");
  EXPECT_EQ(send(get(kDevicePath + "/telemetry?from=2026-01-01T00:00:00Z", cookie)).status, 200U);
  EXPECT_EQ(telemetry_questions.back(),
            R"({"device":"abcdefgh22","from":"2026-01-01T00:00:00Z","since":"2027-01-01T00:00:00Z"})")
      << "what was before the present owner is for the gateway to leave out";
}

TEST_F(ConsoleTest, TellsErrorsWithoutTheirInside) {
  const std::string cookie = authority.add_session("olga");
  authority.refusal = Error{Errc::internal, "/var/lib/sallyport: found a secret, want none"};
  const auto response = send(get("/api/v1/sites", cookie));
  EXPECT_EQ(problem_of(response), "internal");
  EXPECT_FALSE(as_text(response.body).contains("secret"));
  authority.refusal = Error{Errc::overloaded, "claims: too many"};
  EXPECT_TRUE(send(get("/api/v1/sites", cookie)).headers.has("Retry-After"));
}

TEST_F(ConsoleTest, HandsACrlOutWholeUnderItsName) {
  const std::string cookie = authority.add_session("root");
  authority.crl = random.bytes(9'001);
  const auto response = send(get("/api/v1/crls/online-ca", cookie));
  EXPECT_EQ(response.status, 200U);
  EXPECT_EQ(response.body, authority.crl);
  EXPECT_EQ(response.headers.get("Content-Type"), "application/pkix-crl");
  EXPECT_EQ(response.headers.get("Content-Disposition"), "attachment; filename=\"online-ca.crl\"");
}

TEST_F(ConsoleTest, HandsOutNoCrlThatIsNoneOrInPieces) {
  const std::string cookie = authority.add_session("root");
  EXPECT_EQ(problem_of(send(get("/api/v1/crls/online-ca", cookie))), "not-found") << "before the first list";
  authority.crl = random.bytes(100);
  EXPECT_EQ(problem_of(send(get("/api/v1/crls/nobody-ca", cookie))), "not-found");
  authority.asked.clear();
  for (const char* name : {"online-ca%0d%0aX-Evil:%201", "Online-CA", "online-ca%22"}) {
    EXPECT_EQ(problem_of(send(get("/api/v1/crls/" + std::string(name), cookie))), "not-found") << name;
  }
  EXPECT_TRUE(authority.asked.empty()) << "nothing of this may reach the authority";
  EXPECT_EQ(send(get("/api/v1/crls/online-ca")).status, 401U) << "without a session";
  EXPECT_EQ(problem_of(send(get("/api/v1/crls/online-ca?index=1", cookie))), "invalid-request");
  authority.crl_changes = true;
  EXPECT_EQ(problem_of(send(get("/api/v1/crls/online-ca", cookie))), "unavailable") << "replaced in between";
}

TEST_F(ConsoleTest, UnknownPathsAndVerbsAreProblems) {
  const std::string cookie = authority.add_session("olga");
  EXPECT_EQ(problem_of(send(get("/api/v1/nothing", cookie))), "not-found");
  EXPECT_EQ(problem_of(send(get("/api/v1/logout", cookie))), "method-not-allowed");
  auto overridden = get(kDevicePath + "/suspend", cookie);
  overridden.headers.set("X-HTTP-Method-Override", "POST");
  EXPECT_EQ(problem_of(send(overridden)), "method-not-allowed");
  auto deletion = post(kDevicePath, "", cookie);
  deletion.method = "DELETE";
  EXPECT_EQ(problem_of(send(deletion)), "method-not-allowed");
}

TEST_F(ConsoleTest, OneSourceHoldsSoManyConnectionsAndNoMore) {
  std::vector<net::StreamPtr> held;
  for (std::size_t i = 0; i < kMaxConnectionsPerSource; ++i) {
    auto stream = connect();
    ASSERT_TRUE(stream) << i;
    held.push_back(*std::move(stream));
  }
  EXPECT_FALSE(connect());
  held.back()->close();
  held.pop_back();
  const net::Deadline limit(kSoon);
  bool is_let_in = false;
  while (!is_let_in && !limit.passed()) is_let_in = connect().has_value();
  EXPECT_TRUE(is_let_in) << "a connection that has ended makes room";
}

TEST_F(ConsoleTest, ShowsItsCertificateForItsNamesAlone) {
  EXPECT_TRUE(connect("console.example"));
  EXPECT_TRUE(connect("api.console.example"));
  for (const char* name : {"other.example", "x.console.example", "gateway.devices.example"}) {
    EXPECT_FALSE(connect(name)) << name;
  }
}

}  // namespace
}  // namespace sallyport::console
