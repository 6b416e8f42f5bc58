// How the device comes back to the relay without showing its certificate: what the last connection gave for it
// (docs/protocol/tunnel.md §10), kept over restarts.
#pragma once

#include <memory>

#include "agent/state.h"
#include "crypto/hash.h"
#include "crypto/tls.h"

namespace sallyport::agent {

// Attempts in a row that led nowhere before the certificate is shown again.
inline constexpr std::size_t kMaxResumptionFailures = 5;

// A resumption and the certificate that it stands for.
struct KeptResumption {
  crypto::Sha256Digest leaf{};  // of its DER
  std::shared_ptr<const crypto::TlsResumption> resumption;
};
// Not more than kMaxResumptionFile for what parse_resumption() and TLS take.
SecretBytes encode_resumption(const KeptResumption& kept);
// Errc::malformed.
Result<KeptResumption> parse_resumption(ByteView bytes);

// One per agent, one thread. Borrows the folder for its lifetime.
class Resumptions {
 public:
  explicit Resumptions(AgentState& state);

  // What to offer while `leaf`, DER, is the certificate; null for none.
  std::shared_ptr<const crypto::TlsResumption> find(ByteView leaf) const;
  // Replaces what there is. That it cannot be written is logged: it then lasts as long as the agent.
  void keep(ByteView leaf, crypto::TlsResumption resumption);
  // The relay has accepted a device that came back by it; or an attempt ended before that.
  void worked() { failures_ = 0; }
  void failed(const Error& error);
  // The server's status was refused.
  void forget();

 private:
  AgentState& state_;
  KeptResumption kept_;
  std::size_t failures_ = 0;
};

}  // namespace sallyport::agent
