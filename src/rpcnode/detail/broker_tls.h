// TLS to a foreign broker: any PKI's certificate, validated by RFC 5280 and RFC 9525 against the CA that people named.
#pragma once

#include "base/time.h"
#include "mqtt/connection.h"
#include "rpcnode/settings.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxCaFile = 1U << 20U;
inline constexpr std::size_t kMaxCertificateFile = 64U << 10U;

// Reads the files that `broker` names; `clock` outlives what is returned. Errc::malformed, Errc::not_found,
// Errc::unauthorized with the file's name.
Result<mqtt::BrokerTls> make_broker_tls(const BrokerSettings& broker, const Clock& clock);

}  // namespace sallyport::rpcnode
