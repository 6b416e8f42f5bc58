// What a device may have stored is told before it sends it.
#include "gateway_role.h"

namespace sallyport::integration {
namespace {

constexpr std::size_t kBacklogItem = 60'000;

net::Task<http::Response> post_backlog(http::Client& client, std::uint64_t items) {
  telemetry::Batch batch{.stream = telemetry::StreamName("press"), .incarnation = telemetry::StreamIncarnation({1})};
  for (std::uint64_t i = 1; i <= items; ++i) {
    const std::string payload = "\"" + std::string(kBacklogItem, 'x') + "\"";
    batch.items.push_back({.sequence = i, .time = {}, .topic = "t", .payload = to_bytes(payload)});
  }
  auto request = http::post("/device/v1/telemetry", "application/octet-stream", telemetry::encode_batch(batch));
  request.headers.set("Expect", "100-continue");
  auto answer = co_await client.send(std::move(request), kCallLimit);
  co_return answer ? *std::move(answer) : http::Response::error(500, answer.error().detail);
}

net::Task<void> unclaimed_device_has_a_backlog(Installation& t) {
  GatewayRole role(t, t.socket("authority"));
  const auto peer = co_await t.connect("authority");
  auto key = std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate());
  const auto device = co_await enrolled(t, peer, "d-1", *key);
  CO_ASSERT(device.has_value());
  const crypto::TlsIdentity identity{{to_bytes(device->der())}, key};
  auto client = co_await connected_once_it_serves(t, identity);
  CO_ASSERT(client.has_value());
  EXPECT_EQ((co_await post_backlog(*client, 16)).status, 200U);
  EXPECT_TRUE(client->is_open());

  const auto refused = co_await post_backlog(*client, 16);
  EXPECT_EQ(refused.status, 429U);
  EXPECT_EQ(refused.headers.get("Retry-After"), "3600") << "kMostTelemetryWait";
  EXPECT_FALSE(client->is_open()) << "its body was not read";

  auto again = co_await connect_device(t, t.socket("gateway"), identity);
  CO_ASSERT(again.has_value());
  EXPECT_EQ((co_await post_backlog(*again, 1)).status, 200U) << "what is left of its budget is its own";
}

TEST(GatewayTelemetry, OfADeviceWithoutBudgetIsNotRead) {
  Installation t;
  run(t, unclaimed_device_has_a_backlog(t));
}

}  // namespace
}  // namespace sallyport::integration
