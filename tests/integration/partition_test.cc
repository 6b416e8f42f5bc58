// The authority out of reach of status and gateway for 3, 10 and 20 minutes: what the lease rules promise (DESIGN §8,
// §10) is what happens. The relay's part is in src/relay/partition_test.cc.
#include "cable.h"
#include "gateway/gateway.h"
#include "http/client.h"
#include "net/descriptor_passing.h"
#include "net/tls_stream.h"
#include "status_role.h"
#include "store/telemetry_sink.h"

namespace sallyport::integration {
namespace {

// ---- status

Bytes nonce() {
  return Bytes(32, 7);
}

// Nobody learns anything new about a device, and nobody gets an answer to a nonce.
void expect_nothing_live(StatusRole& role, const pki::Certificate& device, const pki::SerialNumber& server) {
  EXPECT_FALSE(role.link.has_lease());
  EXPECT_EQ(role.ask(kOnlineCa, device.serial()).status, pki::OcspResponseStatus::try_later);
  EXPECT_EQ(role.ask(kOnlineCa, device.serial(), nonce()).status, pki::OcspResponseStatus::try_later);
  EXPECT_EQ(role.ask(kServerCa, server, nonce()).status, pki::OcspResponseStatus::try_later);
}

// A server's certificate that is on record: the first that the feed knows.
std::optional<pki::SerialNumber> server_on_record(const Installation& t) {
  std::vector<records::CertificateRecord> found;
  t.read([&](records::Records& records) -> Result<void> {
    TRY(found, records.certificates().list_by_subject(records::CertificateKind::server, "gateway"));
    return {};
  });
  if (found.empty()) return std::nullopt;
  const auto certificate = pki::parse_certificate(found.front().der);
  return certificate ? std::optional(certificate->serial()) : std::nullopt;
}

net::Task<void> status_is_cut_off(Installation& t, seconds time, bool server_is_still_told) {
  Cable cable(t.io().executor(), t.socket("cable"), t.socket("authority"));
  rolelink::RoleLink gateway(
      t.io().executor(), t.clock(), t.random(),
      {.role = "gateway", .instance = 0, .authority_socket = t.socket("authority"), .root = t.root()}, {});
  co_await gateway.until_ready();
  CO_ASSERT((co_await gateway.obtain_certificate(records::CertificateKind::server)).has_value());
  StatusRole role(t, cable.path());
  CO_ASSERT(co_await role.prepare(kOnlineCa));
  CO_ASSERT(co_await role.prepare(kServerCa));
  const auto peer = co_await t.connect("authority");
  auto key = crypto::PrivateKey::generate();
  const auto device = co_await enrolled(t, peer, "d-1", key);
  const auto server = server_on_record(t);
  CO_ASSERT(device && server);
  CO_ASSERT(co_await until([&] {
    return std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, device->serial())) &&
           std::holds_alternative<pki::GoodStatus>(role.status(kServerCa, *server));
  }));

  cable.cut();
  t.clock().advance(kLapse);
  expect_nothing_live(role, *device, *server);
  t.clock().advance(time - kLapse);
  expect_nothing_live(role, *device, *server);
  const auto told = role.ask(kServerCa, *server);
  EXPECT_EQ(told.status == pki::OcspResponseStatus::successful, server_is_still_told);
  if (server_is_still_told) {
    CO_ASSERT(told.answer.responses.size() == 1);
    EXPECT_GT(told.answer.responses.front().next_update, t.clock().now())
        << "an answer beyond its window proves nothing";
  }

  cable.mend();
  CO_ASSERT(co_await until([&] { return role.link.has_lease(); }));
  EXPECT_TRUE(std::holds_alternative<pki::GoodStatus>(role.status(kOnlineCa, device->serial())));
  EXPECT_EQ(role.ask(kServerCa, *server, nonce()).status, pki::OcspResponseStatus::successful);
}

TEST(StatusPartition, Of3MinutesLeavesWhatWasSignedAboutServersAndNothingElse) {
  Installation t;
  run(t, status_is_cut_off(t, seconds(180), true));
}

TEST(StatusPartition, Of10MinutesLeavesWhatWasSignedAboutServersAndNothingElse) {
  Installation t;
  run(t, status_is_cut_off(t, seconds(600), true));
}

TEST(StatusPartition, Of20MinutesLeavesNothingAtAll) {
  Installation t;
  run(t, status_is_cut_off(t, seconds(1'200), false));
}

// ---- gateway

crypto::PeerVerifier trust(Installation& t) {
  return [&t](std::span<const Bytes> der) -> Result<void> {
    TRY(const auto chain, pki::parse_chain(der));
    const std::array anchors = {t.root()};
    TRY_VOID(pki::verify_chain(chain, anchors, pki::ServerPurpose{DnsName("gateway." + kZone.get())},
                               pki::TimeRule::clock(t.clock().now())));
    return {};
  };
}

// Hands `end` over as the relay does, once its peer's hello is there to be seen; the channel lives as long as the test.
net::Task<void> hand_over(net::StreamPtr channel, std::shared_ptr<net::Descriptor> end) {
  co_await net::sleep_for(milliseconds(20));
  static_cast<void>(co_await net::send_descriptor(*channel, std::move(*end), to_bytes("192.0.2.1:5000"), kCallLimit));
  co_await net::sleep_for(kCallLimit);
}

// A device's connection to the gateway.
net::Task<Result<http::Client>> connect_device(Installation& t, std::string gateway, crypto::TlsIdentity identity) {
  CO_TRY(auto channel, co_await net::connect_unix(gateway, kCallLimit));
  CO_TRY(auto pair, net::make_socket_pair());
  CO_TRY(auto near, net::adopt_socket(t.io().executor(), std::move(pair.first)));
  crypto::TlsClientSettings settings;
  settings.identity = std::move(identity);
  settings.verify_server = trust(t);
  CO_TRY(auto context, crypto::TlsContext::client(std::move(settings)));
  auto far = std::make_shared<net::Descriptor>(std::move(pair.second));
  net::spawn(t.io().executor(), hand_over(std::move(channel), std::move(far)), "test.relay");
  const std::string name = "gateway." + kZone.get();
  CO_TRY(auto stream, co_await net::tls_connect(std::move(near), std::move(context), name, kCallLimit));
  co_return http::Client(std::move(stream), name);
}

net::Task<int> post_telemetry(http::Client& client, std::uint64_t sequence) {
  const telemetry::Batch batch{.stream = telemetry::StreamName("press"),
                               .incarnation = telemetry::StreamIncarnation({1}),
                               .items = {{.sequence = sequence, .time = {}, .topic = "t", .payload = to_bytes("1")}}};
  auto request = http::post("/device/v1/telemetry", "application/octet-stream", telemetry::encode_batch(batch));
  const auto answer = co_await client.send(std::move(request), kCallLimit);
  co_return answer ? answer->status : 0;
}

net::Task<int> ask_facts(http::Client& client) {
  http::Request request;
  request.target = "/device/v1/facts";
  const auto answer = co_await client.send(std::move(request), kCallLimit);
  co_return answer ? answer->status : 0;
}

struct GatewayRole {
  GatewayRole(Installation& t, const std::string& authority)
      : sink(*store::open_telemetry_sink(":memory:")),
        gateway(t.io().executor(), t.clock(), t.random(), *sink,
                {.link = {.role = "gateway", .instance = 0, .authority_socket = authority, .root = t.root()},
                 .zone = kZone,
                 .console_origin = "https://console.example",
                 .givers = {::getuid()},
                 .askers = {::getuid()}}),
        listener(*net::Listener::unix_socket(t.io().executor(), t.socket("gateway"))) {
    net::ignore_sigpipe();
    net::spawn(t.io().executor(), gateway.serve_devices(*listener), "test.gateway");
  }
  ~GatewayRole() { listener->close(); }
  std::unique_ptr<telemetry::TelemetrySink> sink;
  gateway::Gateway gateway;
  std::unique_ptr<net::Listener> listener;
};

net::Task<std::optional<http::Client>> connected_once_it_serves(Installation& t, crypto::TlsIdentity identity) {
  const net::Deadline deadline(kCallLimit);
  while (!deadline.passed()) {
    if (auto client = co_await connect_device(t, t.socket("gateway"), identity)) {
      if (co_await ask_facts(*client) == 200) co_return *std::move(client);
    }
    co_await net::sleep_for(milliseconds(50));
  }
  co_return std::nullopt;
}

net::Task<void> gateway_is_cut_off(Installation& t, seconds time) {
  Cable cable(t.io().executor(), t.socket("cable"), t.socket("authority"));
  GatewayRole role(t, cable.path());
  const auto peer = co_await t.connect("authority");
  auto key = std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
  const auto device = co_await enrolled(t, peer, "d-1", *key);
  CO_ASSERT(device.has_value());
  const crypto::TlsIdentity identity{{to_bytes(device->der())}, key};
  auto client = co_await connected_once_it_serves(t, identity);
  CO_ASSERT(client.has_value());
  EXPECT_EQ(co_await post_telemetry(*client, 1), 200);

  cable.cut();
  t.clock().advance(kLapse);
  EXPECT_EQ(co_await ask_facts(*client), 503);
  t.clock().advance(time - kLapse);
  EXPECT_EQ(co_await post_telemetry(*client, 2), 503) << "whether this device may still speak is not known";
  auto late = co_await connect_device(t, t.socket("gateway"), identity);
  if (late) EXPECT_EQ(co_await ask_facts(*late), 503);
  EXPECT_TRUE(
      role.sink->newest(t.device_record(SerialId("d-1")).name.value(), telemetry::StreamName("press"), 10)->size() ==
      1);

  cable.mend();
  auto again = co_await connected_once_it_serves(t, identity);
  CO_ASSERT(again.has_value());
  EXPECT_EQ(co_await post_telemetry(*again, 2), 200);
  EXPECT_EQ(role.sink->newest(*t.device_record(SerialId("d-1")).name, telemetry::StreamName("press"), 10)->size(), 2U);
}

TEST(GatewayPartition, Of3MinutesTakesAndAcknowledgesNothing) {
  Installation t;
  run(t, gateway_is_cut_off(t, seconds(180)));
}

TEST(GatewayPartition, Of10MinutesTakesAndAcknowledgesNothing) {
  Installation t;
  run(t, gateway_is_cut_off(t, seconds(600)));
}

TEST(GatewayPartition, Of20MinutesTakesAndAcknowledgesNothing) {
  Installation t;
  run(t, gateway_is_cut_off(t, seconds(1'200)));
}

}  // namespace
}  // namespace sallyport::integration
