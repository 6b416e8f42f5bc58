// The device's own eye on the transparency log: it keeps the proof that came with each of its certificates, checks it,
// and remembers the newest checkpoint it saw. A proof that is missing or wrong is an alarm in the report and refuses
// nothing: the certificate is as good as its chain, and a device must not be lost to a log that cannot be signed (ADR
// 0008).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/state.h"
#include "http/message.h"
#include "pki/verify.h"
#include "tlog/proof.h"

namespace sallyport::agent {

// What is known of one certificate.
struct LogStanding {
  bool is_proven = false;
  std::string detail;  // "entry 17 of 40", or why not
};

// Files, beside the certificates: <slot>.tlog-proof, <slot>.log-key.pem (key, then control-ca), log-checkpoint. Not
// thread-safe.
class LogWitness {
 public:
  // Borrows `state` for its lifetime.
  explicit LogWitness(AgentState& state) : state_(state) {}

  // Takes in what came with the certificate `leaf` of `slot` ("operational", "web"); `cas` are those that the gateway
  // names.
  void take(const std::string& slot, const http::Response& answer, const pki::Certificate& leaf,
            std::span<const pki::Certificate> cas, const pki::TimeRule& time);
  // Checks what is on disk for the certificate of `slot`, after a start.
  void load(const std::string& slot, const pki::Certificate& leaf, const pki::TimeRule& time);

  const std::map<std::string, LogStanding>& standings() const { return standings_; }

 private:
  Result<tlog::ProvenCertificate> check(std::string_view proof, std::span<const pki::Certificate> key_chain,
                                        const pki::Certificate& leaf, const pki::TimeRule& time) const;
  Result<std::vector<pki::Certificate>> key_chain_of(const http::Response& answer,
                                                     std::span<const pki::Certificate> cas) const;
  Result<void> remember(const tlog::Checkpoint& checkpoint, std::string_view note);
  void conclude(const std::string& slot, const Result<tlog::ProvenCertificate>& proven);

  AgentState& state_;
  std::map<std::string, LogStanding> standings_;
};

}  // namespace sallyport::agent
