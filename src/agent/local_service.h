// The service `device`: the agent's own pages, for people who were let in by a grant and then log in to the device.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "agent/device_password.h"
#include "agent/remote_access.h"
#include "http/server.h"
#include "net/task_group.h"
#include "tunnel/admission.h"

namespace sallyport::agent {

inline constexpr seconds kLoginLife{1'800};
inline constexpr std::size_t kMaxLogins = 64;

// A row of the status page.
struct PageRow {
  std::string name;
  std::string value;
};

// One per agent. One thread. Borrows everything for its lifetime.
class LocalService {
 public:
  // `rows` is asked whenever the status page is shown.
  LocalService(net::TaskGroup& tasks, AgentState& state, DeviceTime& time, RemoteAccess& access, Random& random,
               std::function<std::vector<PageRow>()> rows);

  // A connection to the service, for http::ProxyConnection.
  net::Task<Result<net::StreamPtr>> connect();
  // The service without its connection, for tests.
  const http::Server& server() const { return server_; }

 private:
  struct Login {
    Instant until;
    bool must_change = false;
    std::string form_token;
  };
  http::Router routes();
  net::Task<http::Response> show(http::Request request);
  net::Task<http::Response> log_in(http::Request request);
  net::Task<http::Response> log_out(http::Request request);
  net::Task<http::Response> change_password(http::Request request);
  net::Task<http::Response> change_switch(http::Request request);
  Login* find_login(const http::Request& request);
  // The login of a form that this device made for it.
  Login* find_login_of_form(const http::Request& request, std::string_view token);
  http::Response status_page(const Login& login) const;

  net::TaskGroup& tasks_;
  AgentState& state_;
  DeviceTime& time_;
  RemoteAccess& access_;
  Random& random_;
  std::function<std::vector<PageRow>()> rows_;
  std::map<Bytes, Login> logins_;  // by hash of the cookie
  tunnel::TokenBucket attempts_;
  http::Server server_;
};

}  // namespace sallyport::agent
