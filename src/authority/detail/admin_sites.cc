#include <memory>

#include "authority/admin_json.h"
#include "authority/audit.h"
#include "authority/detail/admin_methods.h"
#include "authority/issuance.h"
#include "authority/ledger_import.h"
#include "authority/log_entries.h"
#include "authority/site_policy.h"
#include "authority/site_states.h"
#include "codec/text.h"
#include "pki/signed_object.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::Records;
using records::SiteRecord;

// How long a site permit is valid unless the order says otherwise.
constexpr seconds kPermitLifetime = 365 * kDay;
constexpr std::int64_t kMostPermitDays = 730;
// From the first day of the earliest permit; as the signer has it.
constexpr seconds kLongestPermit = 731 * kDay;

Result<SiteName> site_at(const AdminCall& call) {
  TRY(auto text, call.parameters.text_at("name"));
  return parse_site_name(text);
}

// The permit that a site has, also when it has ended; it is our own.
Result<std::optional<pki::SitePermit>> present_permit(const Installation& installation, const SiteRecord& site) {
  if (site.permit.empty()) return std::optional<pki::SitePermit>();
  TRY(auto opened, pki::open_object(pki::ControlKind::permit, site.permit, installation.anchors(),
                                    pki::TimeRule::floor(UnixTime(0))));
  TRY(auto permit, pki::parse_permit(opened.payload()));
  return std::optional(std::move(permit));
}

Result<Json> site_json(Records& records, const SiteRecord& site, const Installation& installation) {
  TRY(auto alarms, list_site_alarms(records, site.name));
  const auto permit = present_permit(installation, site);
  const bool has_permit = permit && *permit;
  TRY(const auto policy, find_site_policy(records, site.name));
  const auto ca = pki::parse_certificate(site.ca_certificate);
  return Json(Json::Object{
      {"name", site.name.get()},
      {"state", records::to_string(site.state)},
      {"kept_until", site.state == records::SiteState::revoked_except ? Json(site.kept_until) : Json()},
      {"replace", to_string(policy.replace)},
      {"permitted", site.permitted},
      {"issued", site.ledger_sequence},
      {"enrolled", site.enrolled},
      {"activation_quota", site.activation_quota},
      {"ledger_head", site.ledger_sequence > 0 ? Json(codec::encode_hex(site.ledger_head)) : Json()},
      {"permit_not_after", has_permit ? Json(to_iso8601((*permit)->not_after)) : Json()},
      {"ca_not_after", ca ? Json(to_iso8601(ca->validity().not_after)) : Json()},
      {"alarms", std::move(alarms)},
      {"created", to_iso8601(site.created)},
  });
}

// What is to be done for a new site or a new permit of one.
struct SiteOrder {
  SiteName name;
  std::optional<pki::Certificate> ca;  // absent: as it is
  std::uint64_t count = 0;
  std::uint64_t quota = 0;
  seconds lifetime = kPermitLifetime;
};

Result<SiteOrder> parse_site_order(const AdminCall& call) {
  TRY_VOID(call.parameters.only_keys({"name", "certificate", "count", "quota"}));
  TRY(auto name, site_at(call));
  TRY(auto pem, call.parameters.text_at("certificate"));
  TRY(auto certificates, pki::parse_certificates_pem(pem));
  const pki::Certificate& ca = certificates.front();
  const Installation& installation = call.core.installation();
  // Of whichever root: a factory may have been to the ceremony before the root gave way to another.
  const auto issued_it = [&](const pki::Certificate& root) {
    return root.public_key().verify(ca.signature_scheme(), ca.tbs(), ca.signature()).has_value();
  };
  const auto root = std::ranges::find_if(installation.anchors(), issued_it);
  if (root == installation.anchors().end())
    return failf(Errc::unauthorized, "site {}: CA certificate is not signed by a root of this installation",
                 name.get());
  TRY_VOID(pki::lint(pki::profile(pki::ProfileId::local_ca), ca, &*root));
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
  return SiteOrder{name, ca, static_cast<std::uint64_t>(count), static_cast<std::uint64_t>(quota), kPermitLifetime};
}

// For `sallyport site permit`: what is not said stays as it is.
Result<SiteOrder> parse_permit_order(const AdminCall& call, const SiteRecord& site) {
  SiteOrder order{.name = site.name, .ca = {}, .count = site.permitted, .quota = site.activation_quota};
  if (const Json* given = call.parameters.find("count")) {
    TRY(auto count, given->integer());
    if (count <= 0 || static_cast<std::uint64_t>(count) < site.ledger_sequence) {
      return failf(Errc::malformed, "site {}: count {}, want at least the {} certificates that its ledger has",
                   site.name.get(), count, std::max<std::uint64_t>(site.ledger_sequence, 1));
    }
    order.count = static_cast<std::uint64_t>(count);
  }
  if (const Json* given = call.parameters.find("quota")) {
    TRY(auto quota, given->integer());
    if (quota < 0) return failf(Errc::malformed, "site {}: quota {}, want 0 or more", site.name.get(), quota);
    order.quota = static_cast<std::uint64_t>(quota);
  }
  if (const Json* given = call.parameters.find("days")) {
    TRY(auto days, given->integer());
    if (days < 1 || days > kMostPermitDays) {
      return failf(Errc::malformed, "site {}: {} days, want 1 to {}", site.name.get(), days, kMostPermitDays);
    }
    order.lifetime = days * kDay;
  }
  return order;
}

// Takes the next permit number of the site, for good: a number whose permit was never signed is used for no other.
Result<std::uint64_t> take_permit_number(Records& records, const SiteName& site,
                                         const std::optional<pki::SitePermit>& present) {
  const std::string key = "permit-number/" + site.get();
  std::uint64_t last = present ? present->number : 0;
  TRY(auto stored, records.find_value(key));
  if (stored) {
    TRY(auto number, Reader(*stored).u64());
    last = std::max(last, number);
  }
  TRY_VOID(records.put_value(key, Writer().u64(last + 1).view()));
  return last + 1;
}

struct NewPermit {
  pki::SitePermit permit;
  Bytes sealed;
};

net::Task<Result<NewPermit>> make_permit(Core& core, SiteOrder order) {
  const UnixTime now = core.clock().now();
  const auto drafted = std::make_shared<pki::SitePermit>();
  const auto draft = [&core, order, now, drafted](Records& records) -> Result<void> {
    TRY(auto site, records.sites().find(order.name));
    std::optional<pki::SitePermit> present;
    if (site) {
      TRY(present, present_permit(core.installation(), *site));
    }
    TRY(drafted->number, take_permit_number(records, order.name, present));
    drafted->not_after = now + order.lifetime;
    // What was issued under the permit before, and comes in later, must be inside this one.
    drafted->not_before =
        std::max(present ? present->not_before : now - pki::kBackdating, drafted->not_after - kLongestPermit);
    return {};
  };
  CO_TRY_VOID(co_await core.commit(draft));
  drafted->installation = core.installation().facts().name;
  drafted->site = order.name;
  drafted->name_space = pki::factory_namespace(order.name, core.installation().facts().zone);
  drafted->count = order.count;
  pki::SigningRequest request(pki::SignObject{pki::ControlKind::permit, pki::encode_permit(*drafted)});
  CO_TRY(auto answer, co_await core.sign(std::move(request)));
  auto* sealed = std::get_if<pki::SealedObject>(&answer);
  if (sealed == nullptr) co_return fail(Errc::internal, "signer: another kind of answer, want a sealed permit");
  co_return NewPermit{std::move(*drafted), std::move(sealed->bytes)};
}

// Stores the site with its new permit, unless one of a higher number was stored meanwhile.
Result<void> store_permit(const AdminCall& call, const SiteOrder& order, const NewPermit& made, Records& records) {
  TRY(auto site, records.sites().find(order.name));
  const bool is_new = !site;
  if (is_new && !order.ca) return failf(Errc::not_found, "not-found: no site {}", order.name.get());
  if (is_new) site = SiteRecord{.name = order.name, .created = call.now()};
  TRY_VOID(check_site_has_a_future(*site));
  TRY(auto present, present_permit(call.core.installation(), *site));
  if (present && present->number > made.permit.number) {
    return failf(Errc::conflict, "state-conflict: permit {} of site {} was made meanwhile", present->number,
                 order.name.get());
  }
  if (order.ca) site->ca_certificate = to_bytes(order.ca->der());
  site->permit = made.sealed;
  site->permitted = order.count;
  site->activation_quota = order.quota;
  TRY_VOID(is_new ? records.sites().add(*site) : records.sites().update(*site));
  if (order.ca) TRY_VOID(record_ca(records, records::local_ca_name(order.name.get()), *order.ca, call.now()));
  TRY_VOID(records.raise_change_number());
  return append_audit(records, call.now(), call.request.actor, is_new ? "site.added" : "site.permit-renewed",
                      order.name.get(),
                      {{"number", made.permit.number},
                       {"count", order.count},
                       {"quota", order.quota},
                       {"until", to_iso8601(made.permit.not_after)}});
}

AdminAnswer give_permit(AdminCall call, SiteOrder order) {
  CO_TRY(auto made, co_await make_permit(call.core, order));
  const auto store = [call, order, made](Records& records) { return store_permit(call, order, made, records); };
  CO_TRY_VOID(co_await call.core.commit(store));
  CO_TRY_VOID(call.core.reload_installation());
  co_return Json(Json::Object{{"name", order.name.get()},
                              {"number", made.permit.number},
                              {"count", order.count},
                              {"not_after", to_iso8601(made.permit.not_after)},
                              {"permit", codec::encode_base64(made.sealed)}});
}

}  // namespace

AdminAnswer site_list(AdminCall call) {
  Json::Array out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto sites, records.sites().list());
    for (const SiteRecord& site : sites) {
      TRY(auto shown, site_json(records, site, call.core.installation()));
      out.push_back(std::move(shown));
    }
    return {};
  }));
  co_return Json(Json::Object{{"sites", std::move(out)}});
}

AdminAnswer site_add(AdminCall call) {
  CO_TRY(auto order, parse_site_order(call));
  co_return co_await give_permit(std::move(call), std::move(order));
}

AdminAnswer site_permit(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"name", "count", "quota", "days"}));
  CO_TRY(auto name, site_at(call));
  std::optional<SiteRecord> site;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(site, records.sites().find(name));
    return {};
  }));
  if (!site || site->ca_certificate.empty()) {
    co_return failf(Errc::not_found, "not-found: no site {}: add it with its CA certificate first", name.get());
  }
  if (site->state != records::SiteState::active) {
    co_return failf(Errc::conflict, "state-conflict: site {} is {}, want active", name.get(),
                    records::to_string(site->state));
  }
  CO_TRY(auto order, parse_permit_order(call, *site));
  co_return co_await give_permit(std::move(call), std::move(order));
}

AdminAnswer site_policy(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"name", "replace"}));
  CO_TRY(const auto name, site_at(call));
  CO_TRY(const auto text, call.parameters.text_at("replace"));
  CO_TRY(const auto replace, replace_from(text));
  const auto work = [call, name, replace](Records& records) -> Result<void> {
    TRY(const auto site, records.sites().find(name));
    if (!site) return failf(Errc::not_found, "not-found: no site {}", name.get());
    TRY_VOID(put_site_policy(records, name, {.replace = replace}));
    return append_audit(records, call.now(), call.request.actor, "site.policy", name.get(),
                        {{"replace", to_string(replace)}});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  co_return Json(Json::Object{{"name", name.get()}, {"replace", to_string(replace)}});
}

AdminAnswer site_import_ledger(AdminCall call) {
  CO_TRY(auto name, site_at(call));
  CO_TRY(auto text, call.parameters.text_at("ledger"));
  CO_TRY(auto exported, codec::decode_base64(text));
  const auto imported = std::make_shared<ImportedLedger>();
  const auto alarm = std::make_shared<std::optional<SiteAlarm>>();
  const auto roots = call.core.installation().anchors();
  const std::vector<pki::Certificate> anchors(roots.begin(), roots.end());
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
