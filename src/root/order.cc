// Orders of the root: revocations that the status service carries out without the authority (ADR 0019).
#include <algorithm>
#include <array>

#include "codec/text.h"
#include "pki/root_order.h"
#include "root/root.h"

namespace sallyport::root {
namespace {

constexpr std::string_view kFactoryCa = "local-ca/";

// The CAs whose certificates the status service answers about, each with a delegate of its own.
bool has_responder(const SignedCa& ca) {
  return !ca.ca_name.starts_with(kFactoryCa);
}

bool issued(const pki::Certificate& ca, const pki::Certificate& certificate) {
  return certificate.issuer() == ca.subject() &&
         ca.public_key().verify(certificate.signature_scheme(), certificate.tbs(), certificate.signature()).has_value();
}

}  // namespace

Result<ProposedOrder> Root::propose_order_on_ca(std::string_view ca, pki::RevocationReason reason,
                                                const std::optional<std::string>& installation) const {
  std::vector<const SignedCa*> found;
  for (const SignedCa& each : signed_cas_) {
    if (!each.is_issued) continue;
    if (each.serial.hex() == ca || (each.ca_name == ca && !each.revoked_at)) found.push_back(&each);
  }
  if (found.empty()) {
    return failf(Errc::not_found,
                 "order: this root signed no CA '{}' that is not revoked, want the name or the serial of one: see "
                 "'sallyport root show'",
                 ca);
  }
  if (found.size() > 1)
    return failf(Errc::conflict, "order: found {} CAs named {}, want the serial of one of them", found.size(), ca);
  return ProposedOrder(*found.front(), std::nullopt, installation.value_or(name_), reason);
}

Result<ProposedOrder> Root::propose_order_on_certificate(const pki::Certificate& certificate,
                                                         pki::RevocationReason reason,
                                                         const std::optional<std::string>& installation) const {
  if (certificate.extensions().is_ca())
    return fail(Errc::unauthorized, "order: found the certificate of a CA, want its name or serial in its place");
  for (const SignedCa& ca : signed_cas_) {
    if (!ca.is_issued) continue;
    TRY(const auto issuer, read_issued(ca));
    if (!issued(issuer, certificate)) continue;
    if (!has_responder(ca)) {
      return failf(Errc::unauthorized,
                   "order: {} issued it, of whose certificates no status service tells, want the order on that CA",
                   ca.ca_name);
    }
    return ProposedOrder(ca, certificate, installation.value_or(name_), reason);
  }
  return fail(Errc::unauthorized, "order: no CA that this root signed has issued the certificate");
}

Result<SignedOrder> Root::sign_order(const ProposedOrder& proposed, ByteView passphrase, seconds crl_lifetime) {
  TRY(auto key, unlock(passphrase));
  SignedOrder out{.number = order_number_ + 1, .sealed = {}, .crls = {}};
  if (!proposed.certificate_) {
    TRY(out.crls,
        sign_crls(passphrase, crl_lifetime, Revocation{.serial = proposed.ca_.serial, .reason = proposed.reason_}));
  }
  const pki::RootOrder order{
      .number = out.number,
      .installation = proposed.installation_,
      .issued_at = clock_.now(),
      .ca = proposed.ca_.ca_name,
      .ca_key = proposed.ca_.spki,
      .serial = proposed.certificate_ ? std::optional(proposed.certificate_->serial()) : std::nullopt,
      .reason = proposed.reason_};
  TRY(out.sealed, pki::seal_root_order(order, key, certificate()));
  std::vector<std::pair<std::string, std::string>> fields = {{"number", std::to_string(order.number)},
                                                             {"installation", order.installation},
                                                             {"ca", order.ca},
                                                             {"ca-key", codec::encode_hex(order.ca_key)},
                                                             {"reason", std::string(reason_text(order.reason))}};
  if (order.serial) fields.emplace_back("certificate", order.serial->hex());
  fields.emplace_back("sha256", codec::encode_hex(crypto::sha256(out.sealed)));
  // Before it leaves the folder.
  TRY_VOID(record("order", std::move(fields)));
  return out;
}

}  // namespace sallyport::root
