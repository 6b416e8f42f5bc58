#include <algorithm>
#include <memory>

#include "authority/admin_json.h"
#include "authority/audit.h"
#include "authority/detail/admin_methods.h"
#include "authority/site_states.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::Records;
using records::SiteState;

// Of the sessions that a change ends; their number is told in full.
constexpr std::size_t kMaxShownSessions = 100;

std::string_view audit_action(SiteState to) {
  switch (to) {
    case SiteState::active:
      return "site.enabled";
    case SiteState::disabled:
      return "site.disabled";
    case SiteState::revoked_except:
      return "site.revoked-except";
    case SiteState::revoked:
      return "site.revoked";
  }
  return "site.changed";
}

// Devices that connected and will be revoked: those that somebody misses.
std::uint64_t count_cut(const SitePlan& plan) {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(plan.ended, [](const SitePlan::Ended& ended) { return ended.name.has_value(); }));
}

Json plan_json(Core& core, const SitePlan& plan, bool is_dry_run) {
  Json::Array sessions;
  std::uint64_t live = 0;
  std::uint64_t online = 0;
  for (const SitePlan::Ended& ended : plan.ended) {
    if (!ended.name) continue;
    if (core.presence().find(*ended.name) != nullptr) ++online;
    for (const tunnel::GrantId& session : core.grants().of_device(*ended.name)) {
      ++live;
      const LiveSession* found = core.grants().find(session);
      if (found != nullptr && sessions.size() < kMaxShownSessions)
        sessions.push_back(access_session_json(found->record, nullptr));
    }
  }
  return Json(Json::Object{
      {"site", plan.site.name.get()},
      {"from", records::to_string(plan.from)},
      {"to", records::to_string(plan.site.state)},
      {"kept_until", plan.site.state == SiteState::revoked_except ? Json(plan.site.kept_until) : Json()},
      {"dry_run", is_dry_run},
      {"ca_on_root_crl", plan.is_ca_on_root_crl},
      {"devices", Json::Object{{"kept", plan.kept},
                               {"may_enrol", plan.may_enrol},
                               {"barred", plan.barred},
                               {"cut", count_cut(plan)},
                               {"cut_online", online}}},
      {"certificates", Json::Object{{"factory", plan.factory_certificates},
                                    {"device", std::uint64_t{plan.certificates.size()} - plan.factory_certificates}}},
      {"live_sessions", live},
      {"sessions", std::move(sessions)},
  });
}

struct Order {
  SiteChange change;
  bool is_dry_run = false;
};

Result<Order> parse_order(const AdminCall& call, SiteState to) {
  TRY_VOID(call.parameters.only_keys({"name", "confirm", "dry_run", "except_until"}));
  TRY(const auto text, call.parameters.text_at("name"));
  Order order{.change = {.to = to}};
  TRY(order.change.site, parse_site_name(text));
  if (call.parameters.find("dry_run") != nullptr) {
    TRY(order.is_dry_run, call.parameters.boolean_at("dry_run"));
  }
  if (const Json* given = call.parameters.find("except_until"); given != nullptr) {
    if (to != SiteState::revoked) return fail(Errc::malformed, "except_until: of revocation alone");
    TRY(const auto entry, given->integer());
    order.change.to = SiteState::revoked_except;
    order.change.kept_until = entry < 0 ? 0 : static_cast<std::uint64_t>(entry);
  }
  if (order.is_dry_run || to == SiteState::active) return order;
  TRY(const auto confirm, call.parameters.text_at("confirm"));
  if (confirm != text) return fail(Errc::malformed, "confirmation-mismatch: the confirmation is not the site's name");
  return order;
}

net::Task<Result<void>> put_in_force(Core& core, std::shared_ptr<const SitePlan> plan) {
  CO_TRY_VOID(core.reload_installation());
  core.feed().changed();
  for (const SitePlan::Ended& ended : plan->ended) {
    if (ended.name) co_await core.cut_sessions_of(*ended.name, "the device's site was revoked");
  }
  CO_TRY_VOID(co_await core.until_in_force());
  for (const SitePlan::Ended& ended : plan->ended) {
    if (ended.name) core.announce_device(*ended.name);
  }
  co_return Result<void>();
}

AdminAnswer change_site(AdminCall call, SiteState to) {
  CO_TRY(const auto order, parse_order(call, to));
  const auto plan = std::make_shared<SitePlan>();
  if (order.is_dry_run) {
    CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
      TRY(*plan, plan_site_change(records, order.change));
      return {};
    }));
    co_return plan_json(call.core, *plan, true);
  }
  const auto work = [plan, order, call](Records& records) -> Result<void> {
    TRY(*plan, plan_site_change(records, order.change));
    if (plan->changes_nothing()) return {};
    TRY_VOID(carry_out(records, *plan, call.now()));
    return append_audit(records, call.now(), call.request.actor, audit_action(order.change.to), order.change.site.get(),
                        {{"from", records::to_string(plan->from)},
                         {"kept_until", order.change.kept_until},
                         {"devices", std::uint64_t{plan->ended.size()}},
                         {"certificates", std::uint64_t{plan->certificates.size()}}});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  Json shown = plan_json(call.core, *plan, false);  // before the sessions are cut
  CO_TRY_VOID(co_await put_in_force(call.core, plan));
  co_return shown;
}

}  // namespace

AdminAnswer site_disable(AdminCall call) {
  co_return co_await change_site(std::move(call), SiteState::disabled);
}

AdminAnswer site_enable(AdminCall call) {
  co_return co_await change_site(std::move(call), SiteState::active);
}

AdminAnswer site_revoke(AdminCall call) {
  co_return co_await change_site(std::move(call), SiteState::revoked);
}

}  // namespace sallyport::authority
