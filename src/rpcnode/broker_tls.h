// TLS towards a broker of somebody else's: his CA in a file, his name, and our certificate if he asks for one.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "mqtt/connection.h"
#include "pki/time_rule.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxBrokerAnchors = 64;

struct BrokerTlsFiles {
  std::string ca_pem;           // what his chain must lead to; there is no default and no way to do without
  std::string name;             // DNS name or IP address that his certificate must have
  std::string certificate_pem;  // ours, leaf first; empty: none
  SecretBytes key_pem;          // its key, unencrypted
};

// The broker is verified by pki/path.h at every connect, by the time that `time` tells then. TLS 1.2 at least. No
// revocation: a broker that was taken over is no worse than the broker, which is trusted with nothing.
// Errc::malformed names which of the files is wrong.
Result<mqtt::BrokerTls> make_broker_tls(const BrokerTlsFiles& files, std::function<pki::TimeRule()> time);

}  // namespace sallyport::rpcnode
