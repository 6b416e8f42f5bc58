#include "authority/administration.h"

#include <array>

#include "authority/detail/admin_methods.h"

namespace sallyport::authority {
namespace {

using records::UserRole;

struct Method {
  std::string_view name;
  UserRole least;
  AdminAnswer (*run)(AdminCall);
};

constexpr std::array kMethods = {
    Method{"device.list", UserRole::viewer, device_list},
    Method{"device.get", UserRole::viewer, device_get},
    Method{"device.certificates", UserRole::viewer, device_certificates},
    Method{"device.sessions", UserRole::viewer, device_sessions},
    Method{"device.history", UserRole::viewer, device_history},
    Method{"device.alias", UserRole::operator_, device_alias},
    Method{"device.remote_access", UserRole::operator_, device_remote_access},
    Method{"device.suspend", UserRole::operator_, device_suspend},
    Method{"device.resume", UserRole::operator_, device_resume},
    Method{"device.claim", UserRole::operator_, device_claim},
    Method{"device.revocation_preview", UserRole::owner, device_revocation_preview},
    Method{"device.revoke", UserRole::owner, device_revoke},
    Method{"device.reopen", UserRole::owner, device_reopen},
    Method{"device.release", UserRole::owner, device_release},
    Method{"device.retire", UserRole::owner, device_retire},
    Method{"device.unpause", UserRole::operator_, device_unpause},
    Method{"device.freeze_on_alarm", UserRole::owner, device_freeze_on_alarm},
    Method{"device.renew", UserRole::operator_, device_renew},
    Method{"renewal.ask", UserRole::owner, renewal_ask},
    Method{"grant.create", UserRole::operator_, grant_create},
    Method{"session.list", UserRole::viewer, session_list},
    Method{"session.renew", UserRole::operator_, session_renew},
    Method{"session.end", UserRole::operator_, session_end},
    Method{"site.list", UserRole::viewer, site_list},
    Method{"site.add", UserRole::owner, site_add},
    Method{"site.permit", UserRole::owner, site_permit},
    Method{"site.policy", UserRole::owner, site_policy},
    Method{"site.import_ledger", UserRole::operator_, site_import_ledger},
    Method{"site.disable", UserRole::owner, site_disable},
    Method{"site.enable", UserRole::owner, site_enable},
    Method{"site.revoke", UserRole::owner, site_revoke},
    Method{"site.white_list", UserRole::viewer, site_white_list},
    Method{"audit.list", UserRole::viewer, audit_list},
    Method{"audit.verify", UserRole::viewer, audit_verify},
    Method{"pki.tree", UserRole::viewer, pki_tree},
    Method{"pki.expiry", UserRole::viewer, pki_expiry},
    Method{"metrics.show", UserRole::viewer, metrics_show},
    Method{"status.show", UserRole::viewer, status_show},
    Method{"crl.get", UserRole::viewer, crl_get},
    Method{"certificate.find", UserRole::viewer, certificate_find},
    Method{"root.install_crl", UserRole::owner, root_install_crl},
    Method{"ca.honour", UserRole::owner, ca_honour},
    Method{"certificate.revoke", UserRole::owner, certificate_revoke},
    Method{"clock.show", UserRole::owner, clock_show},
    Method{"clock.accept", UserRole::owner, clock_accept},
    Method{"log.checkpoint", UserRole::viewer, log_checkpoint},
    Method{"log.list", UserRole::viewer, log_list},
    Method{"log.tile", UserRole::viewer, log_tile},
    Method{"log.entries", UserRole::viewer, log_entries},
    Method{"log.proof", UserRole::viewer, log_proof},
    Method{"log.records", UserRole::viewer, log_records},
    Method{"restored.show", UserRole::owner, restored_show},
    Method{"restored.accept", UserRole::owner, restored_accept},
    Method{"server.issue", UserRole::owner, server_issue},
    Method{"rpc.called", UserRole::operator_, rpc_called},
    Method{"rpc.ended", UserRole::operator_, rpc_ended},
    Method{"rpc.key_kept", UserRole::owner, rpc_key_kept},
    Method{"rpc.key_forgotten", UserRole::owner, rpc_key_forgotten},
    Method{"person.certify", UserRole::viewer, person_certify},
    Method{"user.list", UserRole::owner, user_list},
    Method{"user.add", UserRole::owner, user_add},
    Method{"user.find", UserRole::viewer, user_find},
    Method{"user.set_password", UserRole::viewer, user_set_password},
    Method{"user.enable", UserRole::owner, user_enable},
    Method{"user.disable", UserRole::owner, user_disable},
    Method{"login_session.put", UserRole::viewer, login_session_put},
    Method{"login_session.find", UserRole::viewer, login_session_find},
    Method{"login_session.end", UserRole::viewer, login_session_end},
};

// What acts on the whole installation, or shows it, rather than one tenant's things.
bool is_for_the_installation_alone(std::string_view method) {
  constexpr std::array<std::string_view, 34> names = {
      "site.disable", "site.enable",        "site.revoke",       "site.list",        "site.add",
      "site.permit",  "site.import_ledger", "site.white_list",   "root.install_crl", "certificate.revoke",
      "audit.list",   "audit.verify",       "pki.tree",          "clock.show",       "clock.accept",
      "log.entries",  "log.records",        "log.list",          "restored.show",    "restored.accept",
      "pki.expiry",   "metrics.show",       "certificate.find",  "renewal.ask",      "site.policy",
      "ca.honour",    "server.issue",       "status.show",       "crl.get",          "rpc.called",
      "rpc.ended",    "rpc.key_kept",       "rpc.key_forgotten", "person.certify"};
  return std::ranges::find(names, method) != names.end();
}

const Method* find_method(std::string_view name) {
  for (const Method& method : kMethods) {
    if (method.name == name) return &method;
  }
  return nullptr;
}

}  // namespace

std::optional<UserRole> least_role(std::string_view method) {
  const Method* found = find_method(method);
  return found == nullptr ? std::nullopt : std::optional(found->least);
}

net::Task<Result<codec::Json>> administer(Core& core, records::AdminRequest request) {
  const Method* method = find_method(request.method);
  if (method == nullptr) co_return fail(Errc::unauthorized, "forbidden: no such method");
  if (request.role < method->least) {
    co_return failf(Errc::unauthorized, "forbidden: role {}, want {} or more", records::to_string(request.role),
                    records::to_string(method->least));
  }
  if (!request.tenant.empty() && is_for_the_installation_alone(request.method)) {
    co_return fail(Errc::unauthorized, "forbidden: for the operator of the installation alone");
  }
  CO_TRY(auto parameters, codec::parse_json(request.parameters, {.size = records::kMaxRoleMessage}));
  AdminCall call{core, std::move(request), std::move(parameters)};
  co_return co_await method->run(std::move(call));
}

}  // namespace sallyport::authority
