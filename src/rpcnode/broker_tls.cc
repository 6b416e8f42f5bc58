#include "rpcnode/broker_tls.h"

#include <algorithm>

#include "codec/text.h"
#include "pki/oids.h"
#include "pki/path.h"
#include "pki/verify.h"

namespace sallyport::rpcnode {
namespace {

Result<pki::HostName> broker_host(const std::string& name) {
  if (const auto address = net::find_ip_octets(name)) {
    return pki::HostName(pki::IpAddress(address->octets.begin(), address->octets.begin() + address->size));
  }
  TRY(auto dns_name, parse_dns_name(codec::lower_case(name)));
  return pki::HostName(std::move(dns_name));
}

Result<crypto::TlsIdentity> broker_identity(const BrokerTlsFiles& files) {
  TRY(const auto certificates, pki::parse_certificates_pem(files.certificate_pem, pki::kMaxChainCertificates));
  TRY(auto key, crypto::PrivateKey::from_pem(as_text(files.key_pem.expose())));
  crypto::TlsIdentity out;
  for (const auto& certificate : certificates) out.chain.push_back(to_bytes(certificate.der()));
  out.key = std::make_shared<const crypto::PrivateKey>(std::move(key));
  return out;
}

Result<void> verify_broker(std::span<const Bytes> der, std::span<const pki::Certificate> anchors,
                           const pki::HostName& host, const pki::TimeRule& time) {
  TRY(const auto chain, pki::parse_chain(der));
  if (chain.empty()) return fail(Errc::unauthorized, "the broker shows no certificate");
  pki::PathRules rules{.time = time};
  rules.extended_uses = {pki::oid::eku_server_auth};
  rules.host = host;
  const pki::PathSource source{.others = std::span(chain).subspan(1), .anchors = anchors, .crls = {}};
  TRY_VOID(pki::verify_path(chain.front(), source, rules));
  return {};
}

}  // namespace

Result<mqtt::BrokerTls> make_broker_tls(const BrokerTlsFiles& files, std::function<pki::TimeRule()> time) {
  auto anchors = pki::parse_certificates_pem(files.ca_pem, kMaxBrokerAnchors);
  if (!anchors) return std::unexpected(std::move(anchors).error().at("broker's CA"));
  auto host = broker_host(files.name);
  if (!host) return std::unexpected(std::move(host).error().at("broker's name"));
  crypto::TlsClientSettings settings;
  settings.foreign_server = true;
  if (!files.certificate_pem.empty()) {
    auto identity = broker_identity(files);
    if (!identity) return std::unexpected(std::move(identity).error().at("our certificate for the broker"));
    settings.identity = *std::move(identity);
  }
  settings.verify_server = [anchors = *std::move(anchors), host = *std::move(host), time = std::move(time)](
                               std::span<const Bytes> chain) { return verify_broker(chain, anchors, host, time()); };
  TRY(auto context, crypto::TlsContext::client(std::move(settings)));
  return mqtt::BrokerTls{.context = std::move(context), .server_name = files.name};
}

}  // namespace sallyport::rpcnode
