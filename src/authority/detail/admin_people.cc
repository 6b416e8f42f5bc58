// Certificates of people: for whoever is logged in, in his own name, for a working day (docs/operate/rpc.md).
#include <array>

#include "authority/audit.h"
#include "authority/detail/admin_methods.h"
#include "authority/issuance.h"
#include "codec/pem.h"
#include "pki/certificate.h"

namespace sallyport::authority {
namespace {

using codec::Json;

Result<Bytes> read_person_csr(const AdminCall& call) {
  TRY_VOID(call.parameters.only_keys({"csr"}));
  TRY(const auto pem, call.parameters.text_at("csr"));
  return codec::parse_single_pem(pem, "CERTIFICATE REQUEST");
}

// That somebody may log in by this name, which roles and command lines cannot.
Result<void> check_is_person(records::Records& records, const std::string& login) {
  TRY(const auto user, records.users().find(login));
  if (!user || !user->enabled) return fail(Errc::unauthorized, "forbidden: certificates are for people who log in");
  return {};
}

}  // namespace

AdminAnswer person_certify(AdminCall call) {
  const std::string login = call.request.actor;
  CO_TRY(auto csr, read_person_csr(call));
  CO_TRY_VOID(call.core.read([&](records::Records& records) { return check_is_person(records, login); }));
  CO_TRY_VOID(call.core.person_limiter().take(login, "certificate of " + login, call.core.clock().monotonic()));
  CO_TRY(auto request, co_await check_request(std::move(csr)));
  IssueOrder order{.ca = records::CaName("people-ca"),
                   .profile = pki::ProfileId::person,
                   .kind = records::CertificateKind::person,
                   .subject = login,
                   .common_name = login,
                   .dns_names = {},
                   .public_key = std::move(request.public_key),
                   .lifetime = kPersonLifetime,
                   .with_intent = {},
                   .with_result = {}};
  order.with_intent = [login](records::Records& records) { return check_is_person(records, login); };
  order.with_result = [now = call.now(), login](records::Records& records) {
    return append_audit(records, now, login, "person.certified", login, {});
  };
  CO_TRY(const auto certificate, co_await issue_certificate(call.core, std::move(order)));
  CO_TRY(auto issuer, call.core.installation().issuer_of(certificate));
  const std::array chain{certificate, std::move(issuer)};
  co_return Json(Json::Object{{"login", login},
                              {"zone", call.core.installation().facts().zone.get()},
                              {"serial", certificate.serial().hex()},
                              {"not_after", to_iso8601(certificate.validity().not_after)},
                              {"chain", pki::encode_certificates_pem(chain)}});
}

}  // namespace sallyport::authority
