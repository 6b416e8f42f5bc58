// Certificates of servers that are no role of the installation: VPN servers
// (docs/adr/0017-openvpn-asks-the-status-service.md).
#include <array>

#include "authority/audit.h"
#include "authority/detail/admin_methods.h"
#include "authority/issuance.h"
#include "codec/pem.h"
#include "pki/certificate.h"

namespace sallyport::authority {
namespace {

using codec::Json;

// RFC 5280, ub-common-name: OpenVPN compares that one.
constexpr std::size_t kMaxServerName = 64;

struct ServerOrder {
  DnsName name;
  Bytes csr;
};

// A name that no role has, and none that anybody takes for a role's: below the gateway's, which server-ca may certify.
Result<DnsName> server_name_at(const AdminCall& call) {
  TRY(const auto text, call.parameters.text_at("name"));
  TRY(auto name, parse_dns_name(text));
  const DnsName above = under("gateway", call.core.installation().facts().zone);
  if (!is_below(name, above))
    return failf(Errc::unauthorized, "server: found {}, want a name below {}", name.get(), above.get());
  if (name.get().size() > kMaxServerName)
    return failf(Errc::malformed, "server: found a name of {} characters, want at most {}", name.get().size(),
                 kMaxServerName);
  return name;
}

Result<ServerOrder> read_order(const AdminCall& call) {
  TRY_VOID(call.parameters.only_keys({"name", "csr"}));
  ServerOrder order;
  TRY(order.name, server_name_at(call));
  TRY(const auto pem, call.parameters.text_at("csr"));
  TRY(auto blocks, codec::parse_pem(pem));
  if (blocks.size() != 1 || blocks.front().label != "CERTIFICATE REQUEST")
    return fail(Errc::malformed, "csr: found something else, want one CERTIFICATE REQUEST");
  order.csr = std::move(blocks.front().content);
  return order;
}

}  // namespace

AdminAnswer server_issue(AdminCall call) {
  CO_TRY(auto wanted, read_order(call));
  CO_TRY(auto request, co_await check_request(std::move(wanted.csr)));
  const std::string name = wanted.name.get();
  IssueOrder order{.ca = records::CaName("server-ca"),
                   .profile = pki::ProfileId::server,
                   .kind = records::CertificateKind::server,
                   .subject = name,
                   .common_name = name,
                   .dns_names = {name},
                   .public_key = std::move(request.public_key),
                   .lifetime = kForeignServerLifetime,
                   .with_intent = {},
                   .with_result = {}};
  order.with_result = [now = call.now(), actor = call.request.actor, name](records::Records& records) {
    return append_audit(records, now, actor, "server.certified", name, {});
  };
  CO_TRY(const auto certificate, co_await issue_certificate(call.core, std::move(order)));
  CO_TRY(auto issuer, call.core.installation().issuer_of(certificate));
  const std::array chain{certificate, std::move(issuer)};
  co_return Json(Json::Object{{"name", name},
                              {"serial", certificate.serial().hex()},
                              {"not_after", to_iso8601(certificate.validity().not_after)},
                              {"chain", pki::encode_certificates_pem(chain)}});
}

}  // namespace sallyport::authority
