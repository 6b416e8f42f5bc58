// Asks the status service about servers and signers before anything is sent to them or believed of them.
// Ways to it, in order: plain HTTP to the configured address, through the proxy where there is one, then TLS to
// the relay's with the name status.<zone>, of which only chain and name are checked: OCSP proves itself. Where plain
// HTTP led nowhere and TLS did, TLS comes first for the next hour. Without a trusted clock a second status host must
// agree, where one is configured.
#pragma once

#include <array>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/device_time.h"
#include "agent/status_interview.h"
#include "agent/way_out.h"
#include "net/task.h"

namespace sallyport::agent {

// How a check ended. `reason` is stable: "good", "unreachable", "second_unreachable", "second_same_signer",
// "second_disagrees", or a pki::Reason.
struct CheckRecord {
  std::string subject;  // "gateway.zone", "grant signer"
  std::string reason;
  std::string detail;  // a sentence for people
  UnixTime at;
  std::string certificate;  // SHA-256 fingerprint, hexadecimal
  bool is_good() const { return reason == "good"; }
};

inline constexpr seconds kRecheckAfter{3'600};       // also the life of a good answer about a signer
inline constexpr milliseconds kStatusLimit{15'000};  // for all questions over one way to the responder

// One per agent, one thread. Borrows everything for its lifetime.
class ServerCheck {
 public:
  ServerCheck(AgentState& state, DeviceTime& time, Random& random, WayOut& way_out);

  // Asks anew. Errc::unauthorized when the status is proven bad, or the evidence is not what it must be;
  // Errc::unavailable when no way leads to a responder that answers.
  net::Task<Result<void>> check(pki::VerifiedChain subject, std::string name) {
    return check(std::move(subject), std::move(name), state_.anchors());
  }
  // The same for somebody who trusts `anchors`: a server that has just proven a newer root.
  net::Task<Result<void>> check(pki::VerifiedChain subject, std::string name, std::vector<pki::Certificate> anchors);
  // The same, satisfied by a good answer of the last hour about the same certificate, unless a check of whatever
  // subject has been refused since. That nobody answers is no such refusal.
  net::Task<Result<void>> check_recent(pki::VerifiedChain subject, std::string name);
  // Whether there is such an answer.
  bool is_recent(const pki::VerifiedChain& subject) const;

  // The same for a server of which another program shows nothing but the certificate: the status host shows which CA
  // issued it, and chain and name are verified before the status is asked.
  net::Task<Result<void>> check_leaf(pki::Certificate leaf, DnsName name);

  // The last check of every subject, by name.
  const std::map<std::string, CheckRecord>& records() const { return records_; }

 private:
  enum class Way : std::uint8_t { http, tls, second };
  // Why a check did not end well.
  struct Failing {
    std::string reason;
    Error error;
    bool is_final = false;
  };

  net::Task<InterviewOutcome> ask_over(Way way, pki::VerifiedChain subject, std::vector<pki::Certificate> anchors);
  std::array<Way, 2> order() const;
  net::Task<Result<http::Client>> open(Way way, std::vector<pki::Certificate> anchors, net::Deadline deadline);
  net::Task<pki::Verdict<pki::VerifiedChain>> find_chain(Way way, pki::Certificate leaf, DnsName name);
  net::Task<std::optional<Failing>> try_way(Way way, pki::VerifiedChain subject, std::string name,
                                            std::vector<pki::Certificate> anchors);
  // What the second status host found, which agrees with `first`, or what it has against it.
  net::Task<std::expected<StatusFinding, Failing>> confirm(pki::VerifiedChain subject,
                                                           std::vector<pki::Certificate> anchors, StatusFinding first);
  void accept(const pki::VerifiedChain& subject, const StatusFinding& finding);
  void record(const pki::Certificate& subject, const std::string& name, std::string_view reason,
              std::string_view detail);
  static std::string cache_key(ByteView issuer_key, const pki::SerialNumber& serial);

  AgentState& state_;
  DeviceTime& time_;
  Random& random_;
  WayOut& way_out_;
  std::map<std::string, CheckRecord> records_;
  std::map<std::string, Instant> good_until_;  // by issuer key id and serial
  // Told by the status host once and proven with every check; forgotten when a check fails.
  Bytes control_ca_;
  std::string witness_;
  std::optional<Instant> http_failed_;  // and TLS led there
};

}  // namespace sallyport::agent
