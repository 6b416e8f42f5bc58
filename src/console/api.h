// The REST API of docs/api/openapi.yaml: a table of routes, one pipeline of checks before each, and the few operations
// that are more than a question to the authority.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/log_budget.h"
#include "base/names.h"
#include "console/event_hub.h"
#include "console/login_sessions.h"
#include "console/request_fields.h"
#include "http/router.h"
#include "net/rpc_link.h"

namespace sallyport::console {

inline constexpr milliseconds kTelemetryLimit{5'000};
inline constexpr std::size_t kMaxCrlReads = 4;  // at a time: each may hold a whole CRL

// What GET /session says of this console, and the origin that requests must come from.
struct ApiFacts {
  std::string installation;
  DnsName zone;
  std::uint16_t public_port = 443;
  std::string origin;  // "https://console.example"
};

// One thread. Borrows all but the facts for its lifetime, and must outlive the router it added routes to.
class Api {
 public:
  // `caller` may be null: then nodes are not called.
  Api(const Clock& clock, Random& random, rolelink::RoleLink& authority, net::RpcLink& telemetry, net::RpcLink* caller,
      LoginSessions& sessions, EventHub& events, ApiFacts facts);

  // Everything under /api/.
  void add_routes(http::Router& router);

 private:
  // A request that passed every check.
  struct Call {
    http::Request request;
    Session session;  // nobody's where the route is open
    codec::Json::Object parameters;
    std::string source;
    std::string request_id;
  };
  using Answer = net::Task<Result<http::Response>>;

  struct Route {
    std::string_view verb;
    std::string_view pattern;
    records::UserRole least = records::UserRole::viewer;
    std::string_view method;             // of the administration interface; empty where `special` does it all
    std::span<const Field> fields = {};  // of the query for GET, of the body otherwise
    unsigned success = 200;              // 204: whatever the authority answers is dropped
    bool is_open = false;                // needs no session
    bool is_dangerous = false;           // asks for the password again
    Answer (Api::*special)(const Route&, Call) = &Api::ask_and_answer;
  };
  static std::span<const Route> routes();

  net::Task<http::Response> serve(const Route* route, http::Request request, net::PeerInfo peer);
  // Sets `has_session` once the request's session was found.
  Answer run(const Route& route, http::Request request, std::string source, std::string request_id, bool* has_session);
  // Content type, origin and token: a request that another site made a browser send has none of them right.
  Result<void> check_origin(const http::Request& request) const;
  // Asks the authority as the person.
  net::Task<Result<Bytes>> ask(std::string method, const Call& call, codec::Json::Object parameters);

  Answer ask_and_answer(const Route& route, Call call);
  Answer log_in(const Route& route, Call call);
  Answer log_out(const Route& route, Call call);
  Answer show_session(const Route& route, Call call);
  Answer change_password(const Route& route, Call call);
  Answer step_up(const Route& route, Call call);
  Answer read_telemetry(const Route& route, Call call);
  Answer create_grant(const Route& route, Call call);
  Answer renew_session(const Route& route, Call call);
  Answer create_user(const Route& route, Call call);
  Answer stream_events(const Route& route, Call call);
  Answer read_log_checkpoint(const Route& route, Call call);  // api_log.cc
  Answer read_log_tile(const Route& route, Call call);        // api_log.cc
  Answer read_crl(const Route& route, Call call);             // api_crl.cc
  // Nodes and calls (api_rpc.cc)
  // Whether this person may, and there is a caller.
  Result<void> check_rpc(const Call& call) const;
  net::Task<Result<Bytes>> ask_caller(codec::Json::Object question, net::Deadline deadline);
  Answer list_rpc_nodes(const Route& route, Call call);
  Answer ask_rpc_node(const Route& route, Call call);
  Answer begin_rpc_call(const Route& route, Call call);
  net::Task<void> run_rpc_call(Call call, codec::Json::Object noted, milliseconds timeout);
  Answer show_rpc_call(const Route& route, Call call);
  Answer keep_rpc_key(const Route& route, Call call);
  Answer forget_rpc_key(const Route& route, Call call);
  Answer manage_rpc_key(const Route& route, Call call);
  http::Response session_response(const Session& session) const;

  const Clock& clock_;
  Random& random_;
  rolelink::RoleLink& authority_;
  net::RpcLink& telemetry_;
  net::RpcLink* caller_;
  LoginSessions& sessions_;
  EventHub& events_;
  ApiFacts facts_;
  std::size_t crl_reads_ = 0;  // under way
  log::Budget strangers_;      // for lines about refused requests without a session
};

}  // namespace sallyport::console
