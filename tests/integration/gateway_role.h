// The gateway before an installation, and devices that speak to it.
#pragma once

#include "gateway/gateway.h"
#include "http/client.h"
#include "installation.h"
#include "net/descriptor_passing.h"
#include "net/tls_stream.h"
#include "store/telemetry_sink.h"

namespace sallyport::integration {

inline crypto::PeerVerifier trust(Installation& t) {
  return [&t](std::span<const Bytes> der) -> Result<void> {
    TRY(const auto chain, pki::parse_chain(der));
    const std::array anchors = {t.root()};
    TRY_VOID(pki::verify_chain(chain, anchors, pki::ServerPurpose{DnsName("gateway." + kZone.get())},
                               pki::TimeRule::clock(t.clock().now())));
    return {};
  };
}

// Hands `end` over as the relay does, once its peer's hello is there to be seen; the channel lives as long as the test.
inline net::Task<void> hand_over(net::StreamPtr channel, std::shared_ptr<net::Descriptor> end) {
  co_await net::sleep_for(milliseconds(20));
  static_cast<void>(co_await net::send_descriptor(*channel, std::move(*end), to_bytes("192.0.2.1:5000"), kCallLimit));
  co_await net::sleep_for(kCallLimit);
}

// A device's connection to the gateway.
inline net::Task<Result<http::Client>> connect_device(Installation& t, std::string gateway,
                                                      crypto::TlsIdentity identity) {
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

inline net::Task<int> post_telemetry(http::Client& client, std::uint64_t sequence) {
  const telemetry::Batch batch{.stream = telemetry::StreamName("press"),
                               .incarnation = telemetry::StreamIncarnation({1}),
                               .items = {{.sequence = sequence, .time = {}, .topic = "t", .payload = to_bytes("1")}}};
  auto request = http::post("/device/v1/telemetry", "application/octet-stream", telemetry::encode_batch(batch));
  const auto answer = co_await client.send(std::move(request), kCallLimit);
  co_return answer ? answer->status : 0;
}

inline net::Task<int> ask_facts(http::Client& client) {
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

inline net::Task<std::optional<http::Client>> connected_once_it_serves(Installation& t, crypto::TlsIdentity identity) {
  const net::Deadline deadline(kCallLimit);
  while (!deadline.passed()) {
    if (auto client = co_await connect_device(t, t.socket("gateway"), identity)) {
      if (co_await ask_facts(*client) == 200) co_return *std::move(client);
    }
    co_await net::sleep_for(milliseconds(50));
  }
  co_return std::nullopt;
}

}  // namespace sallyport::integration
