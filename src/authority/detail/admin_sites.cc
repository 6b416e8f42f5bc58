#include <memory>

#include "authority/admin_json.h"
#include "authority/audit.h"
#include "authority/detail/admin_methods.h"
#include "authority/issuance.h"
#include "authority/ledger_import.h"
#include "codec/text.h"
#include "pki/signed_object.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::Records;
using records::SiteRecord;

// How long a site permit is valid unless the order says otherwise.
constexpr seconds kPermitLifetime = 365 * kDay;

Result<SiteName> site_at(const AdminCall& call) {
  TRY(auto text, call.parameters.text_at("name"));
  return parse_site_name(text);
}

Result<Json> site_json(Records& records, const SiteRecord& site, const Installation& installation, UnixTime now) {
  TRY(auto alarms, list_site_alarms(records, site.name));
  Json permit_end;
  if (auto opened =
          pki::open_object(pki::ControlKind::permit, site.permit, installation.anchors(), pki::TimeRule::clock(now))) {
    if (const auto permit = pki::parse_permit(opened->payload())) permit_end = to_iso8601(permit->not_after);
  }
  const auto ca = pki::parse_certificate(site.ca_certificate);
  return Json(Json::Object{
      {"name", site.name.get()},
      {"state", records::to_string(site.state)},
      {"permitted", site.permitted},
      {"issued", site.ledger_sequence},
      {"enrolled", site.enrolled},
      {"activation_quota", site.activation_quota},
      {"ledger_head", site.ledger_sequence > 0 ? Json(codec::encode_hex(site.ledger_head)) : Json()},
      {"permit_not_after", permit_end},
      {"ca_not_after", ca ? Json(to_iso8601(ca->validity().not_after)) : Json()},
      {"alarms", std::move(alarms)},
      {"created", to_iso8601(site.created)},
  });
}

// What is to be done for a new site or a new permit of one.
struct SiteOrder {
  SiteName name;
  pki::Certificate ca;
  std::uint64_t count = 0;
  std::uint64_t quota = 0;
};

Result<SiteOrder> parse_site_order(const AdminCall& call) {
  TRY_VOID(call.parameters.only_keys({"name", "certificate", "count", "quota"}));
  TRY(auto name, site_at(call));
  TRY(auto pem, call.parameters.text_at("certificate"));
  TRY(auto certificates, pki::parse_certificates_pem(pem));
  const pki::Certificate& ca = certificates.front();
  const Installation& installation = call.core.installation();
  TRY_VOID(pki::lint(pki::profile(pki::ProfileId::local_ca), ca, &installation.root()));
  TRY_VOID(installation.root().public_key().verify(ca.signature_scheme(), ca.tbs(), ca.signature()));
  const DnsName wanted = pki::factory_namespace(name, installation.facts().zone);
  const auto& constraints = ca.extensions().name_constraints;
  if (!constraints || constraints->permitted.dns != std::vector<std::string>{wanted.get()}) {
    return failf(Errc::unauthorized, "site {}: CA certificate is for another namespace, want {}", name.get(),
                 wanted.get());
  }
  TRY(auto count, call.parameters.integer_at("count"));
  std::int64_t quota = count;
  if (const Json* given = call.parameters.find("quota")) {
    TRY(quota, given->integer());
  }
  if (count <= 0 || quota < 0) return fail(Errc::malformed, "site: count and quota must be positive");
  return SiteOrder{name, ca, static_cast<std::uint64_t>(count), static_cast<std::uint64_t>(quota)};
}

net::Task<Result<Bytes>> seal_permit(Core& core, SiteOrder order, std::uint64_t number) {
  const UnixTime now = core.clock().now();
  pki::SitePermit permit;
  permit.number = number;
  permit.installation = core.installation().facts().name;
  permit.site = order.name;
  permit.name_space = pki::factory_namespace(order.name, core.installation().facts().zone);
  permit.count = order.count;
  permit.not_before = now - pki::kBackdating;
  permit.not_after = now + kPermitLifetime;
  pki::SigningRequest request(pki::SignObject{pki::ControlKind::permit, pki::encode_permit(permit)});
  CO_TRY(auto answer, co_await core.sign(std::move(request)));
  auto* sealed = std::get_if<pki::SealedObject>(&answer);
  if (sealed == nullptr) co_return fail(Errc::internal, "signer: another kind of answer, want a sealed permit");
  co_return std::move(sealed->bytes);
}

}  // namespace

AdminAnswer site_list(AdminCall call) {
  Json::Array out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto sites, records.sites().list());
    for (const SiteRecord& site : sites) {
      TRY(auto shown, site_json(records, site, call.core.installation(), call.now()));
      out.push_back(std::move(shown));
    }
    return {};
  }));
  co_return Json(Json::Object{{"sites", std::move(out)}});
}

AdminAnswer site_add(AdminCall call) {
  CO_TRY(auto order, parse_site_order(call));
  std::optional<SiteRecord> before;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(before, records.sites().find(order.name));
    return {};
  }));
  std::uint64_t number = 1;
  if (before && !before->permit.empty()) {
    CO_TRY(auto opened, pki::open_object(pki::ControlKind::permit, before->permit, call.core.installation().anchors(),
                                         pki::TimeRule::clock(call.now())));
    CO_TRY(auto permit, pki::parse_permit(opened.payload()));
    number = permit.number + 1;
  }
  CO_TRY(auto permit, co_await seal_permit(call.core, order, number));
  const auto work = [call, order, permit](Records& records) -> Result<void> {
    TRY(auto site, records.sites().find(order.name));
    const bool is_new = !site;
    if (is_new) site = SiteRecord{.name = order.name, .created = call.now()};
    site->ca_certificate = to_bytes(order.ca.der());
    site->permit = permit;
    site->permitted = order.count;
    site->activation_quota = order.quota;
    TRY_VOID(is_new ? records.sites().add(*site) : records.sites().update(*site));
    TRY_VOID(records.raise_change_number());
    return append_audit(records, call.now(), call.request.actor, is_new ? "site.added" : "site.permit-renewed",
                        order.name.get(), {{"count", order.count}, {"quota", order.quota}});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  CO_TRY_VOID(call.core.reload_installation());
  co_return Json(Json::Object{{"name", order.name.get()}, {"permit", codec::encode_base64(permit)}});
}

AdminAnswer site_import_ledger(AdminCall call) {
  CO_TRY(auto name, site_at(call));
  CO_TRY(auto text, call.parameters.text_at("ledger"));
  CO_TRY(auto exported, codec::decode_base64(text));
  const auto imported = std::make_shared<ImportedLedger>();
  const auto alarm = std::make_shared<std::optional<SiteAlarm>>();
  const std::vector<pki::Certificate> anchors = {call.core.installation().root()};
  const auto work = [=](Records& records) -> Result<void> {
    TRY(*imported, import_ledger(records, name, exported, anchors, call.now(), call.request.actor, *alarm));
    return {};
  };
  const auto committed = co_await call.core.commit(work);
  if (*alarm) co_await raise_site_alarm(call.core, **alarm, call.request.actor);
  if (!committed) co_return std::unexpected(committed.error());
  co_return Json(Json::Object{{"added", imported->added}, {"sequence", imported->sequence}});
}

}  // namespace sallyport::authority
