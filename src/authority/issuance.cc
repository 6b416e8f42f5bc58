#include "authority/issuance.h"

#include <memory>
#include <utility>

#include "authority/audit.h"
#include "authority/issuance_clock.h"
#include "authority/log_entries.h"
#include "base/log.h"
#include "net/io.h"
#include "pki/issue.h"
#include "pki/signing_request.h"

namespace sallyport::authority {
namespace {

constexpr std::size_t kIntentPage = 1'000;

pki::IssueCertificate signing_request(const Core& core, const IssueOrder& order, const pki::Certificate& issuer,
                                      const pki::SerialNumber& serial) {
  const pki::Profile& profile = pki::profile(order.profile);
  pki::CertificateFields fields{
      .common_name = order.common_name,
      .organization = {},
      .dns_names = order.dns_names,
      .public_key = order.public_key,
      .validity = pki::choose_validity(profile, &issuer, core.clock().now(), order.lifetime),
      .serial = serial,
      .permitted_dns = {},
      .ocsp_urls = {},
      .crl_urls = {},
      .ca_issuer_urls = {},
      .next_root_key = std::nullopt,
  };
  if (order.profile != pki::ProfileId::ocsp_signer) {
    fields.ocsp_urls = {core.installation().ocsp_url()};
    fields.crl_urls = {core.installation().crl_url(order.ca)};
  }
  return {order.ca.get(), order.profile, std::move(fields)};
}

records::CertificateRecord intent_record(const Core& core, const IssueOrder& order,
                                         const pki::IssueCertificate& request) {
  records::CertificateRecord record;
  record.ca = records::base_name(order.ca);
  record.serial = to_record_serial(request.fields.serial);
  record.kind = order.kind;
  record.subject = order.subject;
  record.spki_sha256 = crypto::sha256(order.public_key.spki());
  record.not_before = request.fields.validity.not_before;
  record.not_after = request.fields.validity.not_after;
  record.recorded_at = core.clock().now();
  return record;
}

net::Task<Result<pki::Certificate>> sign(Core& core, pki::IssueCertificate request) {
  const pki::SerialNumber serial = request.fields.serial;
  const crypto::PublicKey key = request.fields.public_key;
  pki::SigningRequest wrapped(std::move(request));
  CO_TRY(auto answer, co_await core.sign(std::move(wrapped)));
  const auto* issued = std::get_if<pki::IssuedCertificate>(&answer);
  if (issued == nullptr) co_return fail(Errc::internal, "signer: another kind of answer, want a certificate");
  CO_TRY(auto certificate, pki::parse_certificate_of(key, issued->der));
  if (certificate.serial() != serial)
    co_return fail(Errc::internal, "signer: certificate with another serial than recorded");
  if (!(certificate.public_key() == key))
    co_return fail(Errc::internal, "signer: certificate of another key than ordered");
  co_return certificate;
}

// Every order fails then; people hear of it a few times an hour.
void tell_if_clock_is_behind(Core& core, const Error& error) {
  if (!error.detail.starts_with("clock: ")) return;
  log::error("certificate.clock-is-behind", {{"error", error}});
  if (core.alarm_limiter().take("clock", "clock", core.clock().monotonic())) {
    core.announce_alarm("clock.behind", {}, "authority", error.detail);
  }
}

}  // namespace

records::CertificateSerial to_record_serial(const pki::SerialNumber& serial) {
  return records::CertificateSerial(to_bytes(serial.content()));
}

net::Task<Result<pki::CertificateRequest>> check_request(Bytes csr) {
  const auto parsed = std::make_shared<std::optional<pki::CertificateRequest>>();
  const auto parse = [csr = std::move(csr), parsed]() -> Result<void> {
    TRY(*parsed, pki::parse_csr(csr));
    return {};
  };
  CO_TRY_VOID(co_await net::run_blocking(parse));
  co_return std::move(**parsed);
}

net::Task<Result<pki::Certificate>> issue_certificate(Core& core, IssueOrder order) {
  CO_TRY(auto issuer, core.installation().ca(order.ca));
  const pki::SerialNumber serial = pki::SerialNumber::draw(core.random());
  pki::IssueCertificate request = signing_request(core, order, issuer, serial);
  const auto intent = std::make_shared<const records::CertificateRecord>(intent_record(core, order, request));

  auto take_serial = [intent, more = std::move(order.with_intent)](records::Records& records) -> Result<void> {
    TRY_VOID(advance_issuance_clock(records, intent->recorded_at));
    if (more) TRY_VOID(more(records));
    return records.certificates().record_intent(*intent);
  };
  if (auto taken = co_await core.commit_repeatable(std::move(take_serial)); !taken) {
    tell_if_clock_is_behind(core, taken.error());
    co_return std::unexpected(std::move(taken).error());
  }

  auto certificate = co_await sign(core, std::move(request));
  if (!certificate) {
    const auto give_up = [intent](records::Records& records) {
      return records.certificates().void_intent(intent->ca, intent->serial);
    };
    if (auto voided = co_await core.commit_repeatable(give_up); !voided) {
      log::warn("certificate.intent-not-voided", {{"serial", serial.hex()}, {"error", voided.error()}});
    }
    co_return std::unexpected(std::move(certificate).error());
  }

  auto store_result = [intent, issued = *certificate,
                       more = std::move(order.with_result)](records::Records& records) -> Result<void> {
    TRY_VOID(record_issued(records, intent->ca, intent->serial, issued.der(), intent->recorded_at));
    return more ? more(records) : Result<void>{};
  };
  CO_TRY_VOID(co_await core.commit_repeatable(std::move(store_result)));
  CO_TRY_VOID(co_await core.until_known());
  log::info("certificate.issued",
            {{"ca", order.ca.get()}, {"subject", order.subject}, {"serial", certificate->serial().hex()}});
  co_return *std::move(certificate);
}

net::Task<Result<void>> void_unfinished_intents(Core& core) {
  const UnixTime now = core.clock().now();
  const auto close_all = [now](records::Records& records) -> Result<void> {
    for (;;) {
      TRY(auto unfinished, records.certificates().list_by_state(records::CertificateState::intent, kIntentPage));
      for (const records::CertificateRecord& record : unfinished) {
        TRY_VOID(records.certificates().void_intent(record.ca, record.serial));
      }
      if (!unfinished.empty()) {
        TRY_VOID(append_audit(records, now, "authority", "certificate.intents-voided", "certificates",
                              {{"count", std::uint64_t{unfinished.size()}}}));
      }
      if (unfinished.size() < kIntentPage) return {};
    }
  };
  co_return co_await core.commit(close_all);
}

}  // namespace sallyport::authority
