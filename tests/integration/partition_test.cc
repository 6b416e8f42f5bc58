// The authority out of reach of status and gateway for 3, 10 and 20 minutes: what the lease rules promise (DESIGN §8,
// §10) is what happens. The relay's part is in src/relay/partition_test.cc.
#include "cable.h"
#include "gateway_role.h"
#include "status_role.h"

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
