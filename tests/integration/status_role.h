// The status role without its sockets: a responder over a real feed.
#pragma once

#include "pki/ocsp.h"
#include "rolelink/role_link.h"
#include "status/responder.h"
#include "watcher.h"

namespace sallyport::integration {

class StatusRole {
 public:
  // `authority` is the path of the authority's socket, or of something that leads to it; `orders` outlives the role.
  StatusRole(Installation& t, const std::string& authority, const status::OrderBook* orders = nullptr)
      : responder(t.clock(), orders),
        link(t.io().executor(), t.clock(), t.random(), settings(t, authority, orders), events()) {}
  explicit StatusRole(Installation& t) : StatusRole(t, t.socket("authority")) {}

  // Waits for the feed and has itself given a key to answer about certificates of `ca`.
  net::Task<bool> prepare(records::CaName ca) {
    co_await link.until_ready();
    auto signer = co_await link.obtain_ocsp_signer(ca);
    EXPECT_TRUE(signer) << signer.error().detail;
    if (!signer) co_return false;
    responder.use_signer(ca, {signer->key, signer->certificate});
    co_return true;
  }
  // What a client is answered about a certificate of `ca`; with or without a nonce.
  pki::OcspResponse ask(const records::CaName& ca, const pki::SerialNumber& serial, std::optional<Bytes> nonce = {}) {
    const auto issuer = pki::parse_certificate(link.snapshot().find_ca(ca)->certificate);
    const pki::OcspRequest request{{pki::make_cert_id(pki::CertIdHash::sha256, *issuer, serial)}, std::move(nonce)};
    const Answer answer = responder.answer(pki::encode_ocsp_request(request), link.has_lease(), "192.0.2.1");
    auto response = pki::parse_ocsp_response(*answer.der);
    EXPECT_TRUE(response) << response.error().detail;
    return response ? *std::move(response) : pki::OcspResponse{};
  }
  // The status in that answer; unknown when there is none.
  pki::CertificateStatus status(const records::CaName& ca, const pki::SerialNumber& serial) {
    const auto response = ask(ca, serial);
    if (response.answer.responses.size() != 1) return pki::UnknownStatus{};
    return response.answer.responses.front().status;
  }

  status::Responder responder;
  rolelink::RoleLink link;
  std::size_t disconnects = 0;  // also after an update that was refused

 private:
  using Answer = status::Answer;
  static rolelink::Settings settings(Installation& t, const std::string& authority, const status::OrderBook* orders) {
    rolelink::Settings out{.role = "status", .instance = 0, .authority_socket = authority, .root = t.root()};
    if (orders != nullptr)
      out.judge_signer = [orders](const pki::VerifiedChain& signer) { return orders->check(signer); };
    return out;
  }
  rolelink::Events events() {
    rolelink::Events out;
    out.on_snapshot = [this](const records::SnapshotState& state, const records::SnapshotChange& change) {
      responder.use_snapshot(state, change);
    };
    out.on_disconnect = [this] { ++disconnects; };
    return out;
  }
};

// The operational certificate of a device that was made and enrolled just now.
inline net::Task<std::optional<pki::Certificate>> enrolled(Installation& t, std::shared_ptr<net::RpcPeer> gateway,
                                                           std::string serial_id, crypto::PrivateKey& key) {
  const Device device = t.make_device(serial_id);
  auto chain = co_await t.enrol(std::move(gateway), device, key);
  EXPECT_TRUE(chain) << chain.error().detail;
  if (!chain) co_return std::nullopt;
  auto leaf = pki::parse_certificate(chain->certificates.front());
  co_return leaf ? std::optional(*leaf) : std::nullopt;
}

}  // namespace sallyport::integration
