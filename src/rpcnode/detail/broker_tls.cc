#include "rpcnode/detail/broker_tls.h"

#include <utility>

#include "keystore/key_file.h"
#include "pki/oids.h"
#include "pki/path.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::size_t kMaxCas = 256;

Result<std::vector<pki::Certificate>> read_certificates(const std::filesystem::path& file, std::size_t most_bytes,
                                                        std::size_t most) {
  TRY(const Bytes pem, keystore::read_file(file, most_bytes));
  auto certificates = pki::parse_certificates_pem(as_text(pem), most);
  if (!certificates) return std::unexpected(std::move(certificates).error().at(file.native()));
  if (certificates->empty()) return failf(Errc::malformed, "{}: no certificate in it", file.native());
  return *std::move(certificates);
}

Result<pki::HostName> host_of(const net::Address& address) {
  if (const auto ip = net::find_ip_octets(address.host))
    return pki::HostName(Bytes(ip->octets.begin(), ip->octets.begin() + static_cast<std::ptrdiff_t>(ip->size)));
  TRY(auto name, parse_dns_name(address.host));
  return pki::HostName(std::move(name));
}

// What a broker's certificate is judged by.
struct BrokerJudge {
  std::vector<pki::Certificate> anchors;
  pki::HostName host;
  const Clock& clock;

  Result<void> operator()(std::span<const Bytes> chain) const {
    std::vector<pki::Certificate> shown;
    for (const Bytes& der : chain) {
      TRY(auto certificate, pki::parse_certificate(der));
      shown.push_back(std::move(certificate));
    }
    if (shown.empty()) return fail(Errc::unauthorized, "broker: shows no certificate");
    pki::PathRules rules{.time = pki::TimeRule::clock(clock.now()), .extended_uses = {pki::oid::eku_server_auth}};
    rules.host = host;
    const pki::PathSource source{.others = std::span(shown).subspan(1), .anchors = anchors, .crls = {}};
    if (auto path = pki::verify_path(shown.front(), source, rules); !path)
      return failf(Errc::unauthorized, "broker: its certificate: {}: {}", pki::to_string(path.error().reason),
                   path.error().error.detail);
    return {};
  }
};

Result<crypto::TlsIdentity> read_identity(const BrokerSettings& broker) {
  constexpr std::size_t kMaxChain = 8;
  TRY(const auto chain, read_certificates(broker.certificate_file, kMaxCertificateFile, kMaxChain));
  TRY(auto key, keystore::read_private_key_file(broker.key_file));
  crypto::TlsIdentity out;
  for (const pki::Certificate& certificate : chain) out.chain.push_back(to_bytes(certificate.der()));
  out.key = std::make_shared<const crypto::PrivateKey>(std::move(key));
  return out;
}

}  // namespace

Result<mqtt::BrokerTls> make_broker_tls(const BrokerSettings& broker, const Clock& clock) {
  TRY(auto anchors, read_certificates(broker.ca_file, kMaxCaFile, kMaxCas));
  TRY(auto host, host_of(broker.address));
  crypto::TlsClientSettings settings;
  settings.verify_server = BrokerJudge{.anchors = std::move(anchors), .host = std::move(host), .clock = clock};
  if (!broker.certificate_file.empty()) {
    TRY(settings.identity, read_identity(broker));
  }
  TRY(auto context, crypto::TlsContext::client(std::move(settings)));
  return mqtt::BrokerTls{.context = std::move(context),
                         .server_name = net::is_ip(broker.address.host) ? std::string() : broker.address.host};
}

}  // namespace sallyport::rpcnode
