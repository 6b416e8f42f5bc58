#include "authority/detail/device_certificates.h"

#include <algorithm>
#include <utility>

#include "codec/text.h"

namespace sallyport::authority {
namespace {

// How long a request waits for another one over the same key.
constexpr milliseconds kTurnLimit{12'000};

}  // namespace

Result<void> check_key_is_new(records::Records& records, const records::Digest& spki, const KeyHolder& holder) {
  const bool is_kept = holder.kept == spki;
  for (const auto kind :
       {records::CertificateKind::operational, records::CertificateKind::web, records::CertificateKind::factory}) {
    if (is_kept && kind == records::CertificateKind::factory) continue;
    TRY(const auto certificates, records.certificates().list_by_spki(kind, spki));
    for (const records::CertificateRecord& each : certificates) {
      if (kind != holder.kind || each.subject != holder.name)
        return fail(Errc::unauthorized,
                    "enrolment: the requested key is in use already, want one of its own per certificate");
      if (each.state == records::CertificateState::revoked && !is_kept)
        return fail(Errc::unauthorized, "enrolment: a certificate of this key was revoked, want a new key");
    }
  }
  return {};
}

net::Task<Result<Turns::Turn>> take_turn(Core& core, records::CertificateKind kind, records::Digest spki) {
  std::string name = fmt::format("{}/{}", std::to_underlying(kind), codec::encode_hex(spki));
  co_return co_await core.turns().take(std::move(name), kTurnLimit);
}

Result<records::CertificateChain> to_chain(const Core& core, ByteView leaf) {
  TRY(const auto certificate, pki::parse_certificate(leaf));
  TRY(const auto issuer, core.installation().issuer_of(certificate));
  return records::CertificateChain{{to_bytes(leaf), to_bytes(issuer.der())}};
}

Result<std::optional<Bytes>> find_earlier_answer(const Core& core, records::CertificateKind kind,
                                                 const records::Digest& spki, const std::string& subject) {
  std::optional<Bytes> found;
  const UnixTime now = core.clock().now();
  TRY_VOID(core.read([&](records::Records& records) -> Result<void> {
    TRY(auto record, records.certificates().find_by_spki(kind, spki));
    if (record && record->subject == subject && record->state == records::CertificateState::issued &&
        now - record->not_before < (record->not_after - record->not_before) / 2) {
      found = record->der;
    }
    return {};
  }));
  return found;
}

IssueOrder order_device_certificate(const Core& core, const DeviceName& name, const crypto::PublicKey& key, bool web) {
  const DnsName host = under(name.get(), core.installation().facts().zone);
  IssueOrder order{.ca = web ? kWebCa : kOnlineCa,
                   .profile = web ? pki::ProfileId::web_device : pki::ProfileId::operational_device,
                   .kind = web ? records::CertificateKind::web : records::CertificateKind::operational,
                   .subject = name.get(),
                   .common_name = name.get(),
                   .dns_names = {host.get()},
                   .public_key = key,
                   .lifetime = web ? kWebLifetime : kOperationalLifetime,
                   .with_intent = {},
                   .with_result = {}};
  if (web) order.dns_names.push_back("*." + host.get());
  return order;
}

}  // namespace sallyport::authority
