#include "status/host_report.h"

namespace sallyport::status {
namespace {

std::vector<records::StatusCount> answers_of(const Responder::Counters& counters, std::uint64_t repeated) {
  return {{"cached", counters.cached + repeated}, {"on-demand", counters.on_demand}, {"live", counters.live}};
}

std::vector<records::StatusCount> refusals_of(const Responder::Counters& counters) {
  return {{"no-lease", counters.without_lease}, {"no-signer", counters.without_signer},
          {"saturated", counters.saturated},    {"unauthorized", counters.unauthorized},
          {"malformed", counters.malformed},    {"internal", counters.internal}};
}

}  // namespace

records::StatusReport report_of(const std::string& host, UnixTime counting_since, const HostState& of) {
  records::StatusReport report;
  report.host = records::is_host_name(host) ? host : "unnamed";
  report.snapshot_number = of.state.number();
  report.snapshot_issued_at = of.state.issued_at();
  report.counting_since = counting_since;
  report.answers = answers_of(of.responder.counters(), of.repeated);
  report.refusals = refusals_of(of.responder.counters());
  for (const auto& [ca, signer] : of.responder.signers()) {
    if (of.state.find_ca(ca) == nullptr) continue;  // retired
    const pki::Validity& validity = signer.certificate.validity();
    report.signers.push_back({.ca = ca,
                              .serial = records::CertificateSerial(to_bytes(signer.certificate.serial().content())),
                              .not_before = validity.not_before,
                              .not_after = validity.not_after,
                              .renews_at = validity.not_after - kSignerOverlap});
  }
  for (const auto& [ca, list] : of.crls.lists()) {
    if (of.state.find_ca(ca) == nullptr) continue;
    report.crls.push_back({.ca = ca, .number = list.number, .next_update = list.next_update});
  }
  return report;
}

}  // namespace sallyport::status
