// A device, its relay and whoever stands between them, for the tests of ways out.
#pragma once

#include "agent/detail/test_roads.h"
#include "agent/way_out.h"

namespace sallyport::agent::testing {

inline constexpr Instant kStart{std::chrono::hours(100)};

inline net::Task<void> greet(net::StreamPtr stream) {
  static_cast<void>(co_await stream->write_all(as_bytes("welcome"), kSoon));
}

// A device, its relay, and whoever stands between.
class WayOutTest : public ::testing::Test {
 protected:
  WayOutTest() : relay(io), foreign(io) {
    relay.add(under("relay", kZone), Tree::identity(tree.relay, tree.server_ca), greet);
    relay.start();
    foreign.add(under("relay", kZone), {.chain = {to_bytes(others.relay.certificate.der())}, .key = others.relay.key},
                greet);
    foreign.start();
    settings.relay_address = relay.address();
  }
  ~WayOutTest() override { io.stop(); }

  TlsWanted wanted() {
    TlsWanted out{.settings = {}, .server_name = under("relay", kZone).get(), .anchors = {tree.root}};
    out.settings.alpn = {"http/1.1"};
    out.settings.verify_server = [this](std::span<const Bytes> der) -> Result<void> {
      TRY(const auto chain, pki::parse_chain(der));
      const std::vector anchors{tree.root};
      TRY_VOID(pki::verify_chain(chain, anchors, pki::ServerPurpose{.name = expected}, pki::TimeRule::clock(kNow)));
      return {};
    };
    return out;
  }
  static net::Task<void> connect(WayOut& way_out, TlsWanted wanted, Instant now, std::optional<Result<Reached>>& into) {
    into.emplace(co_await way_out.connect_tls(std::move(wanted), now));
    if (!*into) co_return;
    Bytes word(7);
    EXPECT_TRUE(co_await net::read_exactly(*(*into)->stream, word, kSoon));
    EXPECT_EQ(as_text(word), "welcome");
  }
  Result<Reached> connect(WayOut& way_out, Instant now = kStart) {
    std::optional<Result<Reached>> out;
    io.restart();
    net::run(io, connect(way_out, wanted(), now, out));
    return *std::move(out);
  }
  static net::Task<void> ask(WayOut& by, unsigned& status) {
    auto reached = co_await by.dial_http(kSoon);
    CO_ASSERT(reached);
    http::Client client(std::move(reached->stream), "status.devices.example", std::move(reached->form));
    http::Request request;
    request.target = "/crl/witness";
    const auto answer = co_await client.send(std::move(request), kSoon);
    CO_ASSERT(answer);
    status = answer->status;
  }
  unsigned status_by(WayOut& way_out) {
    unsigned status = 0;
    io.restart();
    net::run(io, ask(way_out, status));
    return status;
  }
  // With a login at this proxy from now on.
  const Settings& through(const net::Address& proxy) {
    settings.proxy = parse_proxy("ada:hunter2@" + net::to_string(proxy)).value();
    return settings;
  }
  // What a proxy that answers this is told to be.
  std::string refusal_by(std::string answer) {
    HttpProxy proxy(io);
    proxy.answer = std::move(answer);
    settings.proxy = Proxy{.address = proxy.address(), .credentials = nullptr};
    WayOut way_out(settings, random);
    const auto reached = connect(way_out);
    EXPECT_FALSE(reached);
    return reached ? "" : reached.error().detail;
  }

  crypto::SystemRandom random;
  net::Io io;
  Tree tree, others;
  TlsPort relay, foreign;
  Settings settings = testing::make_settings();
  DnsName expected = under("relay", kZone);
};

}  // namespace sallyport::agent::testing
