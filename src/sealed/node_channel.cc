#include "sealed/node_channel.h"

#include "codec/tlv.h"

namespace sallyport::sealed {
namespace {

enum class Ask : std::uint8_t { identity = 1, bundle = 2, values = 3, services = 4, switch_service = 5 };
enum IdentityField : std::uint16_t { kZone = 1, kChain, kRoot };

Bytes head_of(Ask ask) {
  return {static_cast<std::uint8_t>(ask)};
}

template <class Request>
Result<NodeRequest> alone(ByteView rest) {
  if (!rest.empty()) return failf(Errc::malformed, "node request: {} bytes too many", rest.size());
  return NodeRequest(Request{});
}

Result<NodeRequest> parse_switch(ByteView rest) {
  Reader reader(rest);
  TRY(const auto state, reader.u8());
  if (state > 1) return failf(Errc::malformed, "node request: state {}, want 0 or 1", state);
  TRY(auto name, parse_service_name(as_text(reader.rest())));
  return NodeRequest(SwitchService{.name = std::move(name), .open = state == 1});
}

Result<std::vector<pki::Certificate>> parse_all(const std::vector<ByteView>& encoded) {
  if (encoded.empty()) return fail(Errc::malformed, "node identity: no certificate");
  std::vector<pki::Certificate> out;
  for (const ByteView each : encoded) {
    TRY(auto certificate, pki::parse_certificate(each));
    out.push_back(std::move(certificate));
  }
  return out;
}

}  // namespace

Bytes encode_node_request(const NodeRequest& request) {
  if (const auto* sign = std::get_if<SignBundle>(&request)) {
    Bytes out = head_of(Ask::bundle);
    append(out, encode_bundle(sign->bundle));
    return out;
  }
  if (const auto* change = std::get_if<SwitchService>(&request)) {
    Bytes out = head_of(Ask::switch_service);
    out.push_back(change->open ? 1 : 0);
    append(out, as_bytes(change->name.get()));
    return out;
  }
  if (std::holds_alternative<ReadValues>(request)) return head_of(Ask::values);
  if (std::holds_alternative<ListServices>(request)) return head_of(Ask::services);
  return head_of(Ask::identity);
}

Result<NodeRequest> parse_node_request(ByteView bytes) {
  if (bytes.empty() || bytes.size() > kMaxNodeRequest)
    return failf(Errc::malformed, "node request: {} bytes, want 1 to {}", bytes.size(), kMaxNodeRequest);
  const ByteView rest = bytes.subspan(1);
  switch (static_cast<Ask>(bytes[0])) {
    case Ask::identity:
      return alone<AskIdentity>(rest);
    case Ask::bundle: {
      TRY(auto bundle, parse_bundle(rest));
      return NodeRequest(SignBundle{.bundle = std::move(bundle)});
    }
    case Ask::values:
      return alone<ReadValues>(rest);
    case Ask::services:
      return alone<ListServices>(rest);
    case Ask::switch_service:
      return parse_switch(rest);
  }
  return failf(Errc::malformed, "node request: kind {}, want 1 to 5", bytes[0]);
}

Bytes encode_node_identity(const NodeIdentity& identity) {
  codec::TlvWriter out;
  out.text(kZone, identity.zone.get());
  for (const pki::Certificate& certificate : identity.chain) out.bytes(kChain, certificate.der());
  for (const pki::Certificate& certificate : identity.roots) out.bytes(kRoot, certificate.der());
  return out.take();
}

Result<NodeIdentity> parse_node_identity(ByteView bytes) {
  codec::TlvReader reader(bytes, "node identity");
  NodeIdentity out;
  TRY(const auto zone, reader.text(kZone));
  TRY(out.zone, parse_dns_name(zone));
  TRY(const auto chain, reader.repeated(kChain, kMaxNodeCertificates));
  TRY(const auto roots, reader.repeated(kRoot, kMaxNodeCertificates));
  TRY_VOID(reader.finish());
  TRY(out.chain, parse_all(chain));
  TRY(out.roots, parse_all(roots));
  return out;
}

}  // namespace sallyport::sealed
