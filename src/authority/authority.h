// The role `authority`: it decides who may enter, keeps the records, and tells the other roles (ARCHITECTURE.md).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "authority/core.h"
#include "net/listener.h"

namespace sallyport::authority {

struct Settings {
  std::string signer_socket;
  // Which roles a peer of that uid may act as; a uid that is not here is refused.
  std::map<uid_t, std::set<std::string>> roles_of_uid;
  // Which uids may administer through the admin socket, as owner of the whole installation.
  std::set<uid_t> administrators;
  Policy policy;
};

// One thread. Borrows database, clock and random for its lifetime.
class Authority {
 public:
  Authority(net::Executor executor, records::RecordDatabase& database, const Clock& clock, Random& random,
            Settings settings);

  // Loads the installation, closes what an earlier run left open, and begins to keep leases and sessions. Fails as
  // Installation::load does.
  net::Task<Result<void>> start();
  // Serves the roles' socket, or the administrators', until the listener is closed.
  net::Task<void> serve_roles(net::Listener& listener);
  net::Task<void> serve_administrators(net::Listener& listener);

 private:
  struct Connection;

  net::Task<void> serve_connection(net::StreamPtr stream, bool administrator);
  net::Task<void> keep_sessions_for_ever();
  net::Task<void> keep_control_certificates();
  net::Task<void> walk_audit();
  net::Task<Result<Bytes>> dispatch(std::shared_ptr<Connection> connection, Bytes request,
                                    std::shared_ptr<net::RpcPeer> peer);
  net::Task<Result<Bytes>> role_certificate(std::shared_ptr<Connection> connection,
                                            records::RoleCertificateRequest request);
  net::Task<Result<Bytes>> ocsp_signer(records::OcspSignerRequest request);
  net::Task<Result<Bytes>> subscribe(std::shared_ptr<Connection> connection, std::shared_ptr<net::RpcPeer> peer,
                                     records::Subscribe request);
  net::Task<Result<Bytes>> admin(std::shared_ptr<Connection> connection, records::AdminRequest request);
  Result<Bytes> renewal_windows(const records::FindCertificate& shown) const;
  Result<Bytes> find_certificate(const records::FindCertificate& request) const;
  bool is_device(std::string_view name) const;
  net::Task<void> take_alarm(std::set<std::string> roles, records::Alarm alarm);
  Result<void> take_presence(const Connection& connection, const records::Presence& presence);
  Bytes acknowledged(const Connection& connection, std::uint64_t number);
  Result<void> take_status_report(const Connection& connection, records::StatusReport report);
  void announce_status();
  void connection_ended(const Connection& connection);

  Core core_;
  net::Executor executor_;
  Settings settings_;
  Instant logins_swept_{};
};

}  // namespace sallyport::authority
