// What a new owner learns of the one before, and how claiming is limited.
#include "authority/try_limiter.h"
#include "crypto/hash.h"
#include "gateway/telemetry_reader.h"
#include "store/telemetry_sink.h"
#include "watcher.h"

namespace sallyport::integration {
namespace {

using codec::Json;
using records::RoleMethod;

void claim_at(Installation& t, const DeviceName& name, const std::string& tenant, UnixTime at) {
  t.write([&](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find_by_name(name));
    device->state = records::DeviceState::claimed;
    device->tenant = tenant;
    device->remote_access = true;
    device->claimed_at = at;
    return records.devices().update(*device);
  });
}

bool was_told_of_a_session(const Watcher& console, const std::string& tenant) {
  return std::ranges::any_of(console.announced, [&](const Json& told) {
    return told.text_at("event").value_or("") == "session" && told.text_at("tenant").value_or("") == tenant;
  });
}

net::Task<void> changed_hands(Installation& t) {
  Watcher relay(t, "relay");
  Watcher console(t, "console");
  CO_ASSERT(co_await relay.begin());
  CO_ASSERT(co_await console.begin());
  const DeviceName device = co_await open_device(t, relay, "d-1", "old");
  claim_at(t, device, "old", t.clock().now());
  const Json order(Json::Object{{"name", device.get()}, {"service", "web"}});
  CO_ASSERT((co_await t.administer(console.peer, "grant.create", order, "old")).has_value());
  CO_ASSERT(co_await until([&] { return was_told_of_a_session(console, "old"); }));
  console.announced.clear();

  t.clock().advance(seconds(10));
  const UnixTime claimed = t.clock().now();
  claim_at(t, device, "new", claimed);
  const Json name = named("name", device.get());
  const auto history = co_await t.administer(console.peer, "device.history", name, "new");
  CO_ASSERT(history.has_value());
  EXPECT_EQ(history->text_at("since").value_or(""), to_iso8601(claimed));
  const auto whole = co_await t.administer(console.peer, "device.history", name);
  EXPECT_TRUE(whole.has_value() && whole->at("since")->is_null()) << "for people of the whole installation";
  EXPECT_FALSE((co_await t.administer(console.peer, "device.history", name, "old")).has_value());
  for (const char* method : {"device.sessions", "session.list"}) {
    const auto listed = co_await t.administer(console.peer, method, name, "new");
    CO_ASSERT(listed.has_value());
    EXPECT_TRUE(listed->at("sessions")->array()->empty()) << method;
  }

  // What still comes in about the session is its own tenant's.
  const records::AccessSessionReport report{
      .grant_id = *relay.granted.begin(), .ended = true, .source = "192.0.2.1", .reason = "over", .connections = 1};
  CO_ASSERT((co_await relay.call(RoleMethod::access_session, records::encode(report))).has_value());
  CO_ASSERT(co_await until([&] { return was_told_of_a_session(console, "old"); }));
  EXPECT_FALSE(was_told_of_a_session(console, "new"));
}
TEST(FormerOwner, LeavesNothingForTheNextToRead) {
  Installation t;
  run(t, changed_hands(t));
}

void put_items(telemetry::TelemetrySink& sink, const DeviceName& device, const std::string& stream,
               std::initializer_list<UnixTime> times) {
  telemetry::Batch batch{.stream = telemetry::StreamName(stream),
                         .incarnation = telemetry::StreamIncarnation({static_cast<std::uint8_t>(stream.size())})};
  for (const UnixTime time : times) {
    batch.items.push_back({.sequence = batch.items.size() + 1,
                           .time = telemetry::SampleTime(seconds(time.since_epoch())),
                           .topic = "t",
                           .payload = to_bytes("1")});
  }
  EXPECT_TRUE(sink.commit_and_wait(device, batch));
}

TEST(FormerOwner, LeavesNoTelemetryForTheNextToRead) {
  const auto sink = store::open_telemetry_sink(":memory:").value();
  const DeviceName device("abcdefgh22");
  put_items(*sink, device, "old", {kNow - seconds(20), kNow - seconds(10)});
  put_items(*sink, device, "both", {kNow - seconds(10), kNow, kNow + seconds(10)});
  const auto ask = [&](const std::string& stream, std::optional<UnixTime> since) {
    Json::Object question{{"device", device.get()}, {"stream", stream}, {"from", to_iso8601(kNow - kDay)}};
    if (since) question.emplace("since", to_iso8601(*since));
    return gateway::read_telemetry(*sink, Json(std::move(question))).value();
  };
  EXPECT_EQ(ask("both", std::nullopt).at("items")->array()->size(), 3U);
  const Json mine = ask("both", kNow);
  EXPECT_EQ(mine.at("items")->array()->size(), 2U) << "whatever `from` asks for";
  EXPECT_EQ(mine.at("streams")->array()->size(), 1U);
  EXPECT_TRUE(ask("old", kNow).at("items")->array()->empty());
}

// ---- claims

DeviceName make_claimable(Installation& t, const std::string& serial_id, std::string_view code) {
  const Device device = t.make_device(serial_id);
  DeviceName name = draw_device_name(t.random());
  crypto::Sha256 hash;
  hash.update(as_bytes("sallyport claim v1")).update(as_bytes(name.get())).update(as_bytes(code));
  const records::Digest claim = std::move(hash).digest();
  t.write([&](records::Records& records) -> Result<void> {
    TRY(auto record, records.devices().find(kSite, device.serial_id));
    record->name = name;
    record->state = records::DeviceState::connected;
    record->claim_hash = claim;
    return records.devices().update(*record);
  });
  return name;
}

net::Task<Result<Json>> claim(Installation& t, std::shared_ptr<net::RpcPeer> console, std::string actor,
                              std::string tenant, std::string serial_id, std::string code) {
  records::AdminRequest request;
  request.method = "device.claim";
  request.actor = std::move(actor);
  request.role = records::UserRole::owner;
  request.tenant = std::move(tenant);
  request.parameters = Json(Json::Object{{"serial_id", serial_id}, {"code", code}}).write();
  Bytes body = records::with_method(RoleMethod::admin, records::encode(request));
  CO_TRY(auto bytes, co_await console->call(std::move(body), kCallLimit));
  co_return codec::parse_json(as_text(bytes));
}

net::Task<void> claims_apart(Installation& t) {
  const auto console = co_await t.connect("authority");
  make_claimable(t, "d-1", "abcd2345");
  Errc last = Errc::internal;
  for (std::size_t i = 0; i <= authority::kTriesPerHour; ++i) {
    const auto guessed = co_await claim(t, console, "mallory", "other", "d-1", "wrong");
    CO_ASSERT(!guessed.has_value());
    last = guessed.error().code;
  }
  EXPECT_EQ(last, Errc::overloaded);
  EXPECT_TRUE((co_await claim(t, console, "alice", "acme", "d-1", "abcd2345")).has_value())
      << "another tenant's guesses keep nobody from his device";
}
TEST(Claims, OfOneTenantAreNoOthersTries) {
  Installation t;
  run(t, claims_apart(t));
}

net::Task<void> many_claims(Installation& t) {
  const auto console = co_await t.connect("authority");
  for (std::size_t i = 0; i < 2 * authority::kTriesPerHour; ++i) {
    const std::string serial_id = "d-" + std::to_string(i);
    make_claimable(t, serial_id, "abcd2345");
    CO_ASSERT((co_await claim(t, console, "alice", "acme", serial_id, "abcd2345")).has_value());
  }
}
TEST(Claims, ThatAreRightAreNotCounted) {
  Installation t;
  run(t, many_claims(t));
}

// ---- alarms

bool was_alarmed(const Watcher& console, const std::string& subject) {
  return std::ranges::any_of(console.announced, [&](const Json& told) {
    return told.text_at("event").value_or("") == "alarm" && told.at("data")->text_at("device").value_or("") == subject;
  });
}

net::Task<void> told_by_a_relay(Installation& t) {
  Watcher relay(t, "relay");
  Watcher console(t, "console");
  CO_ASSERT(co_await relay.begin());
  CO_ASSERT(co_await console.begin());
  const DeviceName device = co_await open_device(t, relay, "d-1", "");
  for (const std::string& subject :
       {std::string("a-subject-of-its-own"), draw_device_name(t.random()).get(), device.get()}) {
    const records::Alarm alarm{.kind = "device.cloned", .subject = subject, .detail = "two holders"};
    CO_ASSERT((co_await relay.call(RoleMethod::alarm, records::encode(alarm))).has_value());
  }
  CO_ASSERT(co_await until([&] { return was_alarmed(console, device.get()); }));
  const auto alarms = std::ranges::count_if(
      console.announced, [](const Json& told) { return told.text_at("event").value_or("") == "alarm"; });
  EXPECT_EQ(alarms, 1) << "of things that nobody has";
}
TEST(Alarms, OfARelayNameDevicesThatExist) {
  Installation t;
  run(t, told_by_a_relay(t));
}

}  // namespace
}  // namespace sallyport::integration
