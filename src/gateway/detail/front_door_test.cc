#include "gateway/detail/front_door.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "http/client.h"
#include "net/io.h"
#include "net/run.h"
#include "net/tls_stream.h"
#include "telemetry/batch.h"

namespace sallyport::gateway {
namespace {

constexpr milliseconds kSoon{5'000};

Bytes net_vector(const std::string& file) {
  std::ifstream stream(std::string(SALLYPORT_SOURCE_DIR) + "/tests/vectors/net/" + file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

crypto::TlsIdentity identity_of(const std::string& name) {
  auto key = crypto::PrivateKey::from_pem(as_text(net_vector(name + ".pem")));
  EXPECT_TRUE(key);
  return {{net_vector(name + ".der"), net_vector("ca.der")}, std::make_shared<crypto::PrivateKey>(*std::move(key))};
}

Result<void> accept_any(std::span<const Bytes>) {
  return {};
}

net::Task<http::Response> say_yes(http::Request, net::PeerInfo) {
  co_return http::Response::text("yes");
}

http::Router one_route() {
  http::Router router;
  router.add("GET", "/", say_yes);
  return router;
}

class FrontDoorTest : public ::testing::Test {
 protected:
  FrontDoorTest() {
    net::ignore_sigpipe();
    crypto::TlsServerSettings settings;
    settings.identity = identity_of("server");
    settings.client_auth = crypto::ClientAuth::optional;
    settings.verify_client = accept_any;
    context = *crypto::TlsContext::server(std::move(settings));
  }

  // Our end of a connection that the door has.
  net::StreamPtr hand_over(FrontDoor& door) {
    auto pair = net::make_socket_pair();
    auto near = net::adopt_socket(io.executor(), std::move(pair->first));
    auto far = net::adopt_socket(io.executor(), std::move(pair->second));
    net::HandedOver connection{.stream = *std::move(far), .is_tls = true, .source = "192.0.2.1:5000"};
    net::spawn(io.executor(), door.serve(std::move(connection), context), "test.door");
    return *std::move(near);
  }

  net::Task<void> enter(net::StreamPtr near, bool has_certificate, std::optional<http::Client>* out) {
    crypto::TlsClientSettings settings;
    settings.verify_server = accept_any;
    if (has_certificate) settings.identity = identity_of("client");
    auto client = crypto::TlsContext::client(std::move(settings));
    auto stream = co_await net::tls_connect(std::move(near), *client, "server.test", kSoon);
    if (stream) out->emplace(*std::move(stream), "server.test");
  }

  net::Task<void> ask(http::Client* client, http::Request request, http::Response* out) {
    auto answer = co_await client->send(std::move(request), kSoon);
    if (answer) *out = *std::move(answer);
  }

  // Someone who is connected and was answered; empty when the door closed before that.
  std::optional<http::Client> visitor(FrontDoor& door, bool has_certificate) {
    std::optional<http::Client> client;
    net::run(io, enter(hand_over(door), has_certificate, &client));
    http::Response answer;
    answer.status = 0;
    if (client) net::run(io, ask(&*client, {}, &answer));
    if (answer.status != 200) client.reset();
    return client;
  }

  net::Io io;
  ManualClock clock{UnixTime(1'800'000'000)};
  std::shared_ptr<crypto::TlsContext> context;
  http::Server server{one_route()};
};

TEST_F(FrontDoorTest, StrangersTakeNoPlaceOfDevices) {
  FrontDoor door(clock, server, {.strangers = 2, .strangers_per_source = 1, .certified = 1});
  const auto stranger = visitor(door, false);
  EXPECT_TRUE(stranger);
  EXPECT_FALSE(visitor(door, false)) << "a second one of its source";
  const auto device = visitor(door, true);
  EXPECT_TRUE(device);
  EXPECT_FALSE(visitor(door, true)) << "more devices than there are places";
}

TEST_F(FrontDoorTest, ADeviceIsToldToComeBackWhenAllPlacesAreTaken) {
  FrontDoor door(clock, server, {.certified_per_certificate = 1});
  const auto device = visitor(door, true);
  ASSERT_TRUE(device);
  std::optional<http::Client> second;
  net::run(io, enter(hand_over(door), true, &second));
  ASSERT_TRUE(second);
  http::Response answer;
  auto request = http::post("/device/v1/telemetry", "application/octet-stream", Bytes(telemetry::kMaxBatchBytes));
  request.headers.set("Expect", "100-continue");
  net::run(io, ask(&*second, std::move(request), &answer));
  EXPECT_EQ(answer.status, 503U);
  EXPECT_EQ(answer.headers.get("Retry-After"), std::to_string(kFullRetryAfter.count()));
  EXPECT_FALSE(second->is_open());
}

TEST_F(FrontDoorTest, HandshakesThatDoNotEndAreLimited) {
  FrontDoor door(clock, server, {.handshakes = 2, .handshakes_per_source = 2});
  const auto first = hand_over(door);
  const auto second = hand_over(door);
  EXPECT_FALSE(visitor(door, true));
  second->close();
  const net::Deadline limit(kSoon);
  std::optional<http::Client> device;
  while (!device && !limit.passed()) device = visitor(door, true);
  EXPECT_TRUE(device) << "a handshake that has ended makes room";
}

}  // namespace
}  // namespace sallyport::gateway
