// How a device comes by its certificates, over Enrolment over Secure Transport (RFC 7030), and keeps them
// (docs/protocol/enrolment.md).
#pragma once

#include <string>

#include "agent/gateway_link.h"
#include "agent/log_witness.h"
#include "net/timer.h"
#include "tunnel/reconnect.h"

namespace sallyport::agent {

// When the gateway would have a certificate renewed (RFC 9773 §4.2).
struct RenewalWindow {
  UnixTime start;
  UnixTime end;
  friend bool operator==(const RenewalWindow&, const RenewalWindow&) = default;
};

// When to renew, the same for one device every time: an instant in the window; without one, or with one that makes no
// sense (it ends before it starts, or starts after the certificate's end), after two thirds of the lifetime, plus or
// minus a tenth of it.
UnixTime renewal_time(const pki::Validity& validity, std::string_view device,
                      const std::optional<RenewalWindow>& window = {});

// Reads the answer of simpleenroll or simplereenroll: the certificate for `key` in `body`, completed by its issuer from
// `ca_certificates`, verified for `purpose` by one of `anchors`. Leaf first, without the root.
Result<std::vector<pki::Certificate>> read_issued(ByteView body, const crypto::PublicKey& key,
                                                  std::span<const pki::Certificate> ca_certificates,
                                                  std::span<const pki::Certificate> anchors,
                                                  const pki::Purpose& purpose, const pki::TimeRule& time);

enum class Phase : std::uint8_t {
  no_factory_certificate,  // `init --certificate` has not been run
  enrolling,
  waiting_for_ledger,  // 202: the factory's ledger with this device has not been imported
  refused,             // 403
  enrolled,
};
std::string_view to_string(Phase phase);

// What the gateway says of the device.
struct DeviceFacts {
  std::string state;  // "connected", "claimed", …
  bool remote_access = false;
  std::optional<std::uint16_t> public_port;  // that browsers see
  std::optional<RenewalWindow> renew_operational;
  std::optional<RenewalWindow> renew_web;
};

// Obtains and renews; one per agent. Borrows everything for its lifetime.
class Enrolment {
 public:
  Enrolment(net::Executor executor, AgentState& state, DeviceTime& time, ServerDialer& dialer, Random& random);

  // Reads the credentials of the folder.
  Result<void> load();
  // Runs for ever: first enrolment, then web certificate, claim hash and renewals as they fall due.
  net::Task<void> run();
  // One attempt of the first enrolment after another until it succeeds; Errc::expired says why it did not.
  net::Task<Result<void>> enrol_within(net::Deadline deadline);
  // Returns when there is an operational certificate.
  net::Task<void> until_enrolled();

  Phase phase() const { return phase_; }
  // Why the last attempt of anything failed; empty when it did not.
  const std::string& last_error() const { return last_error_; }
  const std::optional<Credential>& operational() const { return operational_; }
  const std::optional<Credential>& web() const { return web_; }
  // Set when there is an operational certificate.
  const std::optional<DeviceName>& name() const { return name_; }
  const std::optional<DeviceFacts>& facts() const { return facts_; }
  // The code by which the owner claims the device, from when the gateway has acknowledged its hash until it is used.
  // Errc::not_yet and Errc::conflict (it is used up) with a sentence that says why not.
  Result<std::string> claim_code() const;
  // Told after every answer of the gateway about the device. May be empty.
  void on_facts(std::function<void()> told) { told_facts_ = std::move(told); }
  // What is known of each certificate's place in the transparency log, by slot.
  const LogWitness& log_witness() const { return log_witness_; }
  // Told when the operational or the web certificate changed. May be empty.
  void on_change(std::function<void()> told) { told_ = std::move(told); }

 private:
  net::Task<milliseconds> enrol_once();
  net::Task<Result<void>> request_operational(GatewayLink& link, std::string target, milliseconds& wait);
  net::Task<Result<std::vector<pki::Certificate>>> fetch_ca_certificates(GatewayLink& link);
  Result<void> take_roots(std::span<const pki::Certificate> shown);
  net::Task<Result<void>> keep_up();
  net::Task<Result<void>> renew_what_is_due(std::optional<RenewalWindow> operational, std::optional<RenewalWindow> web);
  net::Task<Result<void>> renew_operational();
  net::Task<Result<void>> obtain_web();
  net::Task<Result<void>> ask_for_facts();
  net::Task<Result<void>> refresh_facts();
  net::Task<Result<void>> send_claim_hash();
  Result<void> take_operational(Credential credential);
  Result<void> take_name(const pki::Certificate& leaf);
  Result<void> take_facts(DeviceFacts facts);
  std::unexpected<Error> not_yet(std::string_view why) const;
  bool is_due(const std::optional<Credential>& credential, const std::optional<RenewalWindow>& window) const;
  void fail_with(const Error& error, std::string_view event);
  void changed();

  AgentState& state_;
  DeviceTime& time_;
  ServerDialer& dialer_;
  Random& random_;
  GatewayLink link_;  // under the operational certificate
  tunnel::Backoff backoff_;
  net::Event enrolled_;
  Phase phase_ = Phase::enrolling;
  std::string last_error_;
  std::optional<Credential> operational_, web_;
  std::optional<DeviceName> name_;
  std::optional<DeviceFacts> facts_;
  LogWitness log_witness_;
  bool claim_sent_ = false;
  std::optional<Instant> tried_anew_;  // to renew because of a refusal
  std::function<void()> told_;
  std::function<void()> told_facts_;
};

}  // namespace sallyport::agent
