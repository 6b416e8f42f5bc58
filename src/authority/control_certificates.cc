#include "authority/control_certificates.h"

#include <array>

namespace sallyport::authority {
namespace {

constexpr std::array kRenewed = {pki::ControlKind::grant, pki::ControlKind::snapshot, pki::ControlKind::permit};

// The newest certificate of a kind, if there ever was one.
Result<std::optional<pki::Certificate>> find_newest(const Core& core, pki::ControlKind kind) {
  std::vector<records::CertificateRecord> all;
  TRY_VOID(core.read([&](records::Records& records) -> Result<void> {
    TRY(all, records.certificates().list_by_subject(records::CertificateKind::control, pki::to_string(kind)));
    return {};
  }));
  for (const records::CertificateRecord& record : all) {
    if (record.state != records::CertificateState::issued) continue;
    TRY(auto certificate, pki::parse_certificate(record.der));
    return std::optional(std::move(certificate));
  }
  return std::optional<pki::Certificate>();
}

bool is_due(const pki::Certificate& certificate, UnixTime now) {
  const pki::Validity& validity = certificate.validity();
  return validity.not_after - now < (validity.not_after - validity.not_before) / 3;
}

}  // namespace

IssueOrder control_certificate_order(pki::ControlKind kind, const crypto::PublicKey& key) {
  const pki::ProfileId profile = pki::profile_of(kind);
  return {.ca = records::CaName("control-ca"),
          .profile = profile,
          .kind = records::CertificateKind::control,
          .subject = std::string(pki::to_string(kind)),
          .common_name = fmt::format("Sallyport {} signer", pki::to_string(kind)),
          .dns_names = {},
          .public_key = key,
          .lifetime = pki::profile(profile).longest,
          .with_intent = {},
          .with_result = {}};
}

net::Task<Result<void>> renew_control_certificate(Core& core, pki::ControlKind kind) {
  CO_TRY(auto newest, find_newest(core, kind));
  if (!newest) co_return failf(Errc::not_found, "control certificate: none of kind {} to renew", pki::to_string(kind));
  IssueOrder order = control_certificate_order(kind, newest->public_key());
  CO_TRY_VOID(co_await issue_certificate(core, std::move(order)));
  co_return Result<void>{};
}

net::Task<Result<std::size_t>> renew_control_certificates(Core& core) {
  std::size_t ordered = 0;
  for (const pki::ControlKind kind : kRenewed) {
    CO_TRY(auto newest, find_newest(core, kind));
    if (!newest || !is_due(*newest, core.clock().now())) continue;
    CO_TRY_VOID(co_await renew_control_certificate(core, kind));
    ++ordered;
  }
  co_return ordered;
}

}  // namespace sallyport::authority
