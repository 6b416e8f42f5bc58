// The methods of the administration interface by noun. Each takes the caller and the JSON parameters; roles were
// checked.
#pragma once

#include "authority/core.h"
#include "codec/json.h"
#include "net/task.h"
#include "records/role_messages.h"

namespace sallyport::authority {

// Who asks, and for what. Lives as long as the call.
struct AdminCall {
  Core& core;
  records::AdminRequest request;
  codec::Json parameters;

  UnixTime now() const { return core.clock().now(); }
  // Whether a thing of `tenant` exists for the caller.
  bool may_see(std::string_view tenant) const { return request.tenant.empty() || request.tenant == tenant; }
};
using AdminAnswer = net::Task<Result<codec::Json>>;

AdminAnswer device_list(AdminCall call);
AdminAnswer device_get(AdminCall call);
AdminAnswer device_certificates(AdminCall call);
AdminAnswer device_sessions(AdminCall call);
AdminAnswer device_history(AdminCall call);  // {since}: from when on the caller may see it; null: all of it
AdminAnswer device_alias(AdminCall call);
AdminAnswer device_remote_access(AdminCall call);
AdminAnswer device_suspend(AdminCall call);
AdminAnswer device_resume(AdminCall call);
AdminAnswer device_claim(AdminCall call);
AdminAnswer device_revocation_preview(AdminCall call);
AdminAnswer device_revoke(AdminCall call);
AdminAnswer device_reopen(AdminCall call);
AdminAnswer device_release(AdminCall call);
AdminAnswer device_retire(AdminCall call);
AdminAnswer device_unpause(AdminCall call);
AdminAnswer device_freeze_on_alarm(AdminCall call);
AdminAnswer device_renew(AdminCall call);
AdminAnswer renewal_ask(AdminCall call);

AdminAnswer grant_create(AdminCall call);
AdminAnswer session_list(AdminCall call);
AdminAnswer session_renew(AdminCall call);
AdminAnswer session_end(AdminCall call);

AdminAnswer site_list(AdminCall call);
AdminAnswer site_add(AdminCall call);
AdminAnswer site_permit(AdminCall call);
AdminAnswer site_policy(AdminCall call);
AdminAnswer site_import_ledger(AdminCall call);
AdminAnswer site_disable(AdminCall call);
AdminAnswer site_enable(AdminCall call);
AdminAnswer site_revoke(AdminCall call);
AdminAnswer site_white_list(AdminCall call);
inline constexpr std::size_t kMaxWhiteListPage = 1'000;

AdminAnswer audit_list(AdminCall call);
AdminAnswer audit_verify(AdminCall call);
AdminAnswer pki_tree(AdminCall call);
AdminAnswer pki_expiry(AdminCall call);
AdminAnswer metrics_show(AdminCall call);
AdminAnswer status_show(AdminCall call);
AdminAnswer crl_get(AdminCall call);
AdminAnswer certificate_find(AdminCall call);
AdminAnswer root_install_crl(AdminCall call);
AdminAnswer ca_honour(AdminCall call);
AdminAnswer certificate_revoke(AdminCall call);
AdminAnswer clock_show(AdminCall call);
AdminAnswer clock_accept(AdminCall call);

AdminAnswer log_checkpoint(AdminCall call);
AdminAnswer log_list(AdminCall call);
AdminAnswer log_tile(AdminCall call);
AdminAnswer log_entries(AdminCall call);
AdminAnswer log_proof(AdminCall call);
AdminAnswer log_records(AdminCall call);
AdminAnswer restored_show(AdminCall call);
AdminAnswer restored_accept(AdminCall call);

AdminAnswer rpc_called(AdminCall call);
AdminAnswer rpc_ended(AdminCall call);
AdminAnswer rpc_key_kept(AdminCall call);
AdminAnswer rpc_key_forgotten(AdminCall call);

AdminAnswer server_issue(AdminCall call);
AdminAnswer person_certify(AdminCall call);

AdminAnswer user_list(AdminCall call);
AdminAnswer user_add(AdminCall call);
AdminAnswer user_find(AdminCall call);
AdminAnswer user_set_password(AdminCall call);
AdminAnswer user_enable(AdminCall call);
AdminAnswer user_disable(AdminCall call);
AdminAnswer login_session_put(AdminCall call);
AdminAnswer login_session_find(AdminCall call);
AdminAnswer login_session_end(AdminCall call);

}  // namespace sallyport::authority
