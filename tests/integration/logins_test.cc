// Logins at the console: what they are bound to, when they end, and who is told.
#include "authority/logins.h"
#include "watcher.h"

namespace sallyport::integration {
namespace {

using codec::Json;
using records::RoleMethod;

const std::string kOldHash = "$argon2id$old";
const std::string kNewHash = "$argon2id$new";

void add_person(Installation& t, const std::string& login, const std::string& tenant = {}) {
  t.write([&](records::Records& records) -> Result<void> {
    return records.users().add({.login = login,
                                .tenant = tenant,
                                .role = records::UserRole::owner,
                                .password_hash = kOldHash,
                                .enabled = true,
                                .created = kNow});
  });
}

net::Task<Result<Json>> ask_as(std::shared_ptr<net::RpcPeer> peer, std::string actor, std::string method,
                               Json::Object parameters) {
  records::AdminRequest request;
  request.method = std::move(method);
  request.actor = std::move(actor);
  request.role = records::UserRole::owner;
  request.parameters = Json(std::move(parameters)).write();
  Bytes body = records::with_method(RoleMethod::admin, records::encode(request));
  CO_TRY(auto bytes, co_await peer->call(std::move(body), kCallLimit));
  co_return codec::parse_json(as_text(bytes));
}

net::Task<Result<Json>> as_console(std::shared_ptr<net::RpcPeer> peer, std::string method, Json::Object parameters) {
  co_return co_await ask_as(std::move(peer), "role:console", std::move(method), std::move(parameters));
}

std::string token_of(char digit) {
  return std::string(64, digit);
}

Json::Object login_order(Installation& t, char digit, const std::string& hash, bool is_new = true) {
  return {{"token_sha256", token_of(digit)},
          {"login", "alice"},
          {"password_hash", hash},
          {"is_new", is_new},
          {"csrf", std::string(64, 'c')},
          {"created", to_iso8601(t.clock().now() - seconds(1))},
          {"expires", to_iso8601(t.clock().now() + 2 * kDay)}};
}

net::Task<Result<Json>> look_up(std::shared_ptr<net::RpcPeer> console, char digit, bool is_use) {
  co_return co_await as_console(std::move(console), "login_session.find",
                                {{"token_sha256", token_of(digit)}, {"is_use", is_use}});
}

std::size_t logins_in_audit(const Installation& t) {
  std::size_t out = 0;
  t.read([&](records::Records& records) -> Result<void> {
    records::AuditFilter filter;
    filter.action = "user.logged-in";
    TRY(const auto entries, records.audit().list(filter));
    out = entries.size();
    return {};
  });
  return out;
}

net::Task<void> bound_to_the_password(Installation& t) {
  const auto console = co_await t.connect("authority");
  add_person(t, "alice");
  // Between the look at the user and the session's recording, the password is changed.
  CO_ASSERT((co_await as_console(console, "login_session.put", login_order(t, 'a', kOldHash))).has_value());
  const Json::Object change{{"login", "alice"}, {"password_hash", kNewHash}, {"current_hash", kOldHash}};
  CO_ASSERT((co_await ask_as(console, "alice", "user.set_password", change)).has_value());
  EXPECT_FALSE((co_await look_up(console, 'a', true)).has_value());
  const auto late = co_await as_console(console, "login_session.put", login_order(t, 'b', kOldHash));
  CO_ASSERT(!late.has_value());
  EXPECT_TRUE(late.error().detail.contains("login-refused")) << late.error().detail;
  EXPECT_FALSE((co_await look_up(console, 'b', true)).has_value());
  // Two changes side by side: the later has checked a password that is none any more.
  const auto second = co_await ask_as(console, "alice", "user.set_password", change);
  CO_ASSERT(!second.has_value());
  EXPECT_TRUE(second.error().detail.contains("login-refused")) << second.error().detail;
  const Json::Object unproven{{"login", "alice"}, {"password_hash", kOldHash}};
  EXPECT_FALSE((co_await ask_as(console, "alice", "user.set_password", unproven)).has_value());
  EXPECT_TRUE((co_await as_console(console, "login_session.put", login_order(t, 'b', kNewHash))).has_value());
}
TEST(Logins, AreOfThePasswordThatTheUserHasNow) {
  Installation t;
  run(t, bound_to_the_password(t));
}

net::Task<void> audited(Installation& t) {
  const auto console = co_await t.connect("authority");
  add_person(t, "alice");
  // The console's clock is a second behind.
  CO_ASSERT((co_await as_console(console, "login_session.put", login_order(t, 'a', kOldHash))).has_value());
  EXPECT_EQ(logins_in_audit(t), 1U);
  const auto found = co_await look_up(console, 'a', true);
  CO_ASSERT(found.has_value());
  EXPECT_EQ(found->text_at("created").value_or(""), to_iso8601(t.clock().now()));
  auto same = login_order(t, 'b', kOldHash, false);
  same.insert_or_assign("created", to_iso8601(t.clock().now()));
  CO_ASSERT((co_await as_console(console, "login_session.put", same)).has_value());
  EXPECT_EQ(logins_in_audit(t), 1U) << "the same login under a new id";
}
TEST(Logins, AreAuditedWhateverTheConsolesClockSays) {
  Installation t;
  run(t, audited(t));
}

net::Task<void> idle(Installation& t) {
  const auto console = co_await t.connect("authority");
  add_person(t, "alice");
  for (const char digit : {'a', 'b'})
    CO_ASSERT((co_await as_console(console, "login_session.put", login_order(t, digit, kOldHash))).has_value());
  const seconds step = authority::kLoginIdleLimit - seconds(1);
  t.clock().advance(step);
  EXPECT_TRUE((co_await look_up(console, 'a', true)).has_value());
  EXPECT_TRUE((co_await look_up(console, 'b', false)).has_value());
  t.clock().advance(step);
  EXPECT_TRUE((co_await look_up(console, 'a', true)).has_value());
  EXPECT_FALSE((co_await look_up(console, 'b', true)).has_value()) << "a look is no use";
}
TEST(Logins, EndWithoutUse) {
  Installation t;
  run(t, idle(t));
}

bool is_stored(const Installation& t, std::uint8_t octet) {
  bool out = false;
  t.read([&](records::Records& records) -> Result<void> {
    records::Digest token{};
    token.fill(octet);
    TRY(const auto session, records.users().find_login_session(token));
    out = session.has_value();
    return {};
  });
  return out;
}

bool was_told(const Watcher& console, std::string_view key, const std::string& value) {
  return std::ranges::any_of(console.announced, [&](const Json& told) {
    if (told.text_at("event").value_or("") != "login-ended") return false;
    return told.at("data")->text_at(key).value_or("") == value;
  });
}

net::Task<void> swept(Installation& t) {
  Watcher console(t, "console");
  CO_ASSERT(co_await console.begin());
  add_person(t, "alice");
  for (const char digit : {'1', '2'})
    CO_ASSERT((co_await as_console(console.peer, "login_session.put", login_order(t, digit, kOldHash))).has_value());
  t.clock().advance(authority::kLoginIdleLimit - seconds(1));
  CO_ASSERT((co_await look_up(console.peer, '2', true)).has_value());
  t.clock().advance(authority::kLoginSweep);
  CO_ASSERT(co_await until([&] { return !is_stored(t, 0x11); }));
  EXPECT_TRUE(is_stored(t, 0x22));
  CO_ASSERT(co_await until([&] { return was_told(console, "token_sha256", token_of('1')); }));
  EXPECT_FALSE(was_told(console, "token_sha256", token_of('2')));
  // Whoever logs out at another console, or is disabled, is told of as well.
  CO_ASSERT((co_await as_console(console.peer, "login_session.end", {{"token_sha256", token_of('2')}})).has_value());
  CO_ASSERT(co_await until([&] { return was_told(console, "token_sha256", token_of('2')); }));
  CO_ASSERT((co_await t.administer(co_await t.connect("admin"), "user.disable", named("login", "alice"))).has_value());
  CO_ASSERT(co_await until([&] { return was_told(console, "login", "alice"); }));
}
TEST(Logins, ThatAreOverAreDeletedAndTold) {
  Installation t;
  run(t, swept(t));
}

net::Task<void> used_by_access(Installation& t) {
  Watcher relay(t, "relay");
  CO_ASSERT(co_await relay.begin());
  const auto console = co_await t.connect("authority");
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  add_person(t, "alice");
  CO_ASSERT((co_await as_console(console, "login_session.put", login_order(t, '1', kOldHash))).has_value());
  const Json order(Json::Object{{"name", device.get()}, {"service", "web"}, {"login_session", token_of('1')}});
  CO_ASSERT((co_await t.administer(console, "grant.create", order)).has_value());
  CO_ASSERT(co_await until([&] { return relay.granted.size() == 1; }));
  const Bytes session = *relay.granted.begin();
  t.clock().advance(authority::kLoginUseStep);
  const UnixTime used = t.clock().now();
  const records::AccessSessionReport report{.grant_id = session, .source = "192.0.2.1", .connections = 1};
  CO_ASSERT((co_await relay.call(RoleMethod::access_session, records::encode(report))).has_value());
  t.clock().advance(authority::kLoginSweep);
  const auto last_used = [&] {
    UnixTime out;
    t.read([&](records::Records& records) -> Result<void> {
      records::Digest token{};
      token.fill(0x11);
      TRY(const auto found, records.users().find_login_session(token));
      if (found) out = found->last_used;
      return {};
    });
    return out;
  };
  CO_ASSERT(co_await until([&] { return last_used() == used; }));
  CO_ASSERT((co_await t.administer(console, "session.end", named("id", codec::encode_hex(session)))).has_value());
  CO_ASSERT(co_await until([&] { return relay.cut.size() == 1; }));
}
TEST(Logins, AreUsedByTheAccessThatTheyOpened) {
  Installation t;
  run(t, used_by_access(t));
}

}  // namespace
}  // namespace sallyport::integration
