// Grants that a user brings to the device himself: handed out without the relay, renewed when he asks.
#include "codec/text.h"
#include "watcher.h"

namespace sallyport::integration {
namespace {

using codec::Json;
using records::RoleMethod;

Json direct_order(const DeviceName& device, bool direct, std::string_view key = {}) {
  Json::Object order{{"name", device.get()}, {"service", "web"}};
  if (direct) order.emplace("direct", true);
  if (!key.empty()) {
    order.emplace("client_key_sha256", std::string(key));
    order.emplace("kind", "tcp");
  }
  return order;
}

// The grant in an answer, proven as a device does it.
std::optional<tunnel::AccessGrant> grant_in(Installation& t, const Json& answer) {
  const auto text = answer.text_at("grant");
  if (!text) return std::nullopt;
  const auto sealed = codec::decode_base64url(*text);
  if (!sealed) return std::nullopt;
  const std::vector<pki::Certificate> anchors = {t.root()};
  const auto opened =
      pki::open_object(pki::ControlKind::grant, *sealed, anchors, pki::TimeRule::clock(t.clock().now()));
  if (!opened) return std::nullopt;
  auto grant = tunnel::parse_grant(opened->payload());
  return grant ? std::optional(*std::move(grant)) : std::nullopt;
}

net::Task<void> go_offline(Watcher& relay, const DeviceName& device) {
  records::Presence presence;
  presence.device = device;
  presence.online = false;
  EXPECT_TRUE((co_await relay.call(RoleMethod::presence, records::encode(presence))).has_value());
}

net::Task<void> handed_out(Installation& t) {
  Watcher relay(t, "relay");
  CO_ASSERT(co_await relay.begin());
  const auto console = co_await t.connect("authority");
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  const auto usual = co_await t.administer(console, "grant.create", direct_order(device, false));
  CO_ASSERT(usual.has_value());
  EXPECT_EQ(usual->find("grant"), nullptr) << "nobody has asked for it";
  const auto wrong_kind =
      co_await t.administer(console, "grant.create", direct_order(device, true, std::string(64, 'a')));
  CO_ASSERT(!wrong_kind.has_value());
  EXPECT_TRUE(wrong_kind.error().detail.contains("service-not-tcp")) << wrong_kind.error().detail;
  co_await go_offline(relay, device);
  const auto refused = co_await t.administer(console, "grant.create", direct_order(device, false));
  CO_ASSERT(!refused.has_value());
  EXPECT_TRUE(refused.error().detail.contains("device-offline")) << refused.error().detail;
  const auto direct = co_await t.administer(console, "grant.create", direct_order(device, true));
  CO_ASSERT(direct.has_value());
  const auto grant = grant_in(t, *direct);
  CO_ASSERT(grant.has_value());
  EXPECT_EQ(grant->device, device);
  EXPECT_EQ(codec::encode_hex(grant->id.get()), direct->text_at("grant_id").value_or(""));
  t.read([](records::Records& records) -> Result<void> {
    TRY(const auto granted, records.audit().list({.action = "session.granted", .limit = 10}));
    EXPECT_EQ(granted.size(), 2U);
    return {};
  });
  CO_ASSERT(
      (co_await t.administer(console, "device.remote_access", Json::Object{{"name", device.get()}, {"enabled", false}}))
          .has_value());
  const auto closed = co_await t.administer(console, "grant.create", direct_order(device, true));
  CO_ASSERT(!closed.has_value());
  EXPECT_TRUE(closed.error().detail.contains("remote-access-off")) << closed.error().detail;
}
TEST(DirectAccess, GrantsAreHandedOutWhereTheyAreAskedForThoughTheDeviceIsOffline) {
  Installation t;
  run(t, handed_out(t));
}

net::Task<void> renewed(Installation& t) {
  Watcher relay(t, "relay");
  CO_ASSERT(co_await relay.begin());
  const auto console = co_await t.connect("authority");
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  const auto opened = co_await t.administer(console, "grant.create", direct_order(device, true));
  CO_ASSERT(opened.has_value());
  const auto first = grant_in(t, *opened);
  CO_ASSERT(first.has_value());
  const Json session(Json::Object{{"id", codec::encode_hex(first->id.get())}});
  const auto fresh = co_await t.administer(console, "session.renew", session);
  CO_ASSERT(fresh.has_value());
  EXPECT_EQ(grant_in(t, *fresh), first) << "it has most of its life before it";
  UnixTime expires = first->expires;
  for (int i = 0; i < 5; ++i) {  // longer than an idle session lives
    t.clock().advance(seconds(160));
    const auto answer = co_await t.administer(console, "session.renew", session);
    CO_ASSERT(answer.has_value());
    const auto next = grant_in(t, *answer);
    CO_ASSERT(next.has_value());
    EXPECT_TRUE(tunnel::check_renewal(*first, *next).has_value());
    EXPECT_EQ(next->session(), first->id);
    EXPECT_GT(next->expires, expires);
    expires = next->expires;
  }
  Json::Object foreign{{"id", codec::encode_hex(first->id.get())}, {"login_session", std::string(64, 'a')}};
  const auto refused = co_await t.administer(console, "session.renew", std::move(foreign));
  CO_ASSERT(!refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::not_found) << "in another login";
  EXPECT_TRUE(relay.cut.empty());
  CO_ASSERT((co_await t.administer(console, "session.end", session)).has_value());
  EXPECT_EQ(relay.cut.size(), 1U);
  EXPECT_FALSE((co_await t.administer(console, "session.renew", session)).has_value());
}
TEST(DirectAccess, ASessionIsRenewedForAsLongAsItsUserAsks) {
  Installation t;
  run(t, renewed(t));
}

net::Task<void> not_asked_for(Installation& t) {
  Watcher relay(t, "relay");
  CO_ASSERT(co_await relay.begin());
  const auto console = co_await t.connect("authority");
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  CO_ASSERT((co_await t.administer(console, "grant.create", direct_order(device, true))).has_value());
  const Bytes session = *relay.granted.begin();
  t.clock().advance(seconds(301));
  const net::Deadline deadline(kCallLimit);
  while (!relay.cut.contains(session) && !deadline.passed()) co_await net::sleep_for(milliseconds(5));
  EXPECT_TRUE(relay.cut.contains(session));
  const Json order(Json::Object{{"id", codec::encode_hex(session)}});
  EXPECT_FALSE((co_await t.administer(console, "session.renew", order)).has_value());
}
TEST(DirectAccess, ASessionEndsWithItsGrantWhereNobodyAsks) {
  Installation t;
  run(t, not_asked_for(t));
}

}  // namespace
}  // namespace sallyport::integration
