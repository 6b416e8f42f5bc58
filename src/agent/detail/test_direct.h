// A device with a port of its own. For this layer's tests alone.
#pragma once

#include "agent/detail/test_device.h"
#include "agent/direct_entrance.h"

namespace sallyport::agent::testing {

class DirectTest : public DeviceTest {
 protected:
  explicit DirectTest(DirectLimits limits = {})
      : consent(settings()),
        asking(
            consent, access, [this] { return web_identity; }, [this] { return pages.connect(); }),
        listener(*net::Listener::tcp(io.executor(), {.host = "127.0.0.1", .port = 0})),
        door(tasks, time, access, asking, [this] { return show_identity(); }, listener->address().port, limits) {
    net::spawn(io.executor(), door.accept_from(*listener), "test.direct-port");
  }

  std::optional<crypto::TlsIdentity> show_identity() {
    ++identities_shown;
    return web_identity;
  }
  tunnel::AccessGrant grant_for(const KeyHolder& who, std::string_view service = "echo") {
    auto grant = make_grant(service);
    grant.proof_kind = tunnel::ProofKind::client_key;
    grant.proof_hash = who.certificate.spki_sha256();
    return grant;
  }
  tunnel::AccessGrant renewal_of(const tunnel::AccessGrant& grant) {
    auto next = grant;
    next.id = tunnel::draw_grant_id(random);
    next.renews = grant.session();
    next.issued = clock.now();
    next.expires = clock.now() + seconds(300);
    return next;
  }
  void pass(seconds time) {
    clock.advance(time);
    responder.now = clock.now();
  }

  net::Task<Result<net::StreamPtr>> connect(DnsName sni, crypto::TlsClientSettings client) {
    client.verify_server = [root = tree.root](std::span<const Bytes> der) -> Result<void> {
      TRY(const auto chain, pki::parse_chain(der));
      const pki::Certificate anchors[] = {root};
      TRY_VOID(pki::verify_chain(chain, anchors, pki::WebDevicePurpose{.zone = kZone}, pki::TimeRule::clock(kNow)));
      return {};
    };
    CO_TRY(auto context, crypto::TlsContext::client(std::move(client)));
    CO_TRY(auto lower, co_await net::connect_tcp(listener->address(), kSoon));
    co_return co_await net::tls_connect(std::move(lower), std::move(context), sni.get(), kSoon);
  }
  // As the command line comes.
  net::Task<Result<net::StreamPtr>> call(DnsName sni, std::optional<crypto::TlsIdentity> identity) {
    crypto::TlsClientSettings client;
    client.identity = std::move(identity);
    client.alpn = {std::string(tunnel::kDirectAlpn)};
    co_return co_await connect(std::move(sni), std::move(client));
  }
  // As a browser comes.
  net::Task<Result<net::StreamPtr>> visit(DnsName sni) {
    crypto::TlsClientSettings client;
    client.alpn = {"h2", "http/1.1"};
    co_return co_await connect(std::move(sni), std::move(client));
  }
  net::Task<Result<std::optional<tunnel::RefuseCode>>> ask(net::Stream& device, Bytes sealed,
                                                           tunnel::DirectPurpose purpose) {
    const Bytes words = tunnel::encode_direct_ask({.purpose = purpose, .sealed_grant = std::move(sealed)});
    CO_TRY_VOID(co_await device.write_all(words, kSoon));
    Bytes answer(1);
    CO_TRY_VOID(co_await net::read_exactly(device, answer, kSoon));
    co_return tunnel::parse_direct_answer(answer.front());
  }
  net::Task<bool> is_accepted(net::Stream& device, const tunnel::AccessGrant& grant) {
    const auto answer = co_await ask(device, tree.seal(grant), tunnel::DirectPurpose::open);
    co_return answer && !*answer;
  }
  // Whether nobody dials the tcp services for a while.
  net::Task<bool> is_left_alone() {
    const auto came = co_await tcp_port->accept(milliseconds(50));
    co_return !came.has_value();
  }

  std::size_t identities_shown = 0;
  Settings consent;  // whose consent_command a test may change
  DataConnections asking;
  std::unique_ptr<net::Listener> listener;
  DirectEntrance door;
};

}  // namespace sallyport::agent::testing
