#include "agent/agent.h"

#include <sys/stat.h>

#include <vector>

#include "agent/control.h"
#include "agent/direct_entrance.h"
#include "agent/enrolment.h"
#include "agent/local_service.h"
#include "agent/report.h"
#include "agent/telemetry.h"
#include "base/log.h"
#include "codec/text.h"
#include "http/server.h"
#include "net/listener.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kSwitchBody = 256;
constexpr std::size_t kShownBody = 2 * pki::kMaxCertificateBytes;

http::Response json(std::string_view text) {
  return http::Response::text(text, "application/json");
}

// A server that another program of the device has met: {"name": …, "certificate": base64 of DER}.
struct ShownServer {
  DnsName name;
  pki::Certificate leaf;
};
Result<ShownServer> shown_server(std::string_view body) {
  TRY(const auto json, codec::parse_json(body, {.size = kShownBody}));
  TRY_VOID(json.only_keys({"name", "certificate"}));
  TRY(const auto name, json.text_at("name"));
  TRY(auto server_name, parse_dns_name(name));
  TRY(const auto encoded, json.text_at("certificate"));
  TRY(const auto der, codec::decode_base64(encoded));
  TRY(auto leaf, pki::parse_certificate(der));
  return ShownServer{std::move(server_name), std::move(leaf)};
}

// Other programs go on with what the names led to before.
void refresh_links(const AgentState& state) {
  if (const auto done = state.refresh_links(); !done) log::warn("agent.links", {{"error", done.error()}});
}

net::Task<void> accept_for_ever(net::TaskGroup& tasks, net::Listener& listener, const http::Server& server) {
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    tasks.spawn(server.serve(*std::move(stream)), "agent.local");
  }
}

}  // namespace

// What exists once the device has its name.
struct Presence {
  Presence(net::TaskGroup& tasks, AgentState& state, DeviceTime& time, ServerDialer& dialer, ServerCheck& check,
           Random& random, Enrolment& enrolment, std::function<std::vector<PageRow>()> rows, std::uint16_t direct_port)
      : access(state, time, check, random, *enrolment.name()),
        device_service(tasks, state, time, access, random, std::move(rows)),
        data(
            state.settings(), access, [&enrolment] { return identity_of(enrolment.web()); },
            [this] { return device_service.connect(); }),
        control(tasks, state.settings(), time, dialer, check, access, data, random, *enrolment.name(),
                [&enrolment] { return identity_of(enrolment.operational()); }),
        direct(tasks, time, access, data, [&enrolment] { return identity_of(enrolment.web()); }, direct_port) {
    access.on_switch([this] { control.send_status(); });
  }

  static std::optional<crypto::TlsIdentity> identity_of(const std::optional<Credential>& credential) {
    if (!credential) return std::nullopt;
    return credential->identity();
  }

  RemoteAccess access;
  LocalService device_service;
  DataConnections data;
  ControlConnection control;
  DirectEntrance direct;
};

struct Agent::State {
  State(const net::Executor& executor, const Clock& clock, Random& randomness, AgentState& folder,
        telemetry::TelemetryQueue& queued)
      : tasks(executor),
        random(randomness),
        agent_state(folder),
        time(clock, folder.settings().trusted_clock, first_floor(folder)),
        way_out(folder, randomness),
        check(folder, time, random, way_out),
        dialer(folder, time, check, way_out),
        enrolment(executor, folder, time, dialer, random),
        telemetry_link(dialer, time, folder.settings().server_name("gateway"),
                       [this] { return Presence::identity_of(enrolment.operational()); }),
        telemetry(executor, queued, telemetry_link, time, random),
        local(local_routes()),
        port(port_routes()) {}

  static UnixTime first_floor(const AgentState& folder);
  http::Router local_routes();
  http::Router port_routes();
  net::Task<http::Response> show_claim_code();
  net::Task<http::Response> set_switch(http::Request request);
  net::Task<http::Response> set_service(http::Request request);
  net::Task<http::Response> check_shown(http::Request request);
  net::Task<http::Response> show_report();
  codec::Json report() const;
  std::optional<DeviceIdentity> identity() const;
  codec::Json values() const;
  Result<void> switch_service(const ServiceName& service, bool open);
  void tell_identity() const;
  std::uint16_t direct_port() const;
  net::Task<void> listen_directly();
  Result<void> load();

  net::TaskGroup tasks;
  Random& random;
  AgentState& agent_state;
  DeviceTime time;
  WayOut way_out;
  ServerCheck check;
  ServerDialer dialer;
  Enrolment enrolment;
  GatewayLink telemetry_link;
  Telemetry telemetry;
  std::unique_ptr<Presence> presence;
  http::Server local;
  http::Server port;
  std::function<codec::Json()> node;
  std::function<void()> told_identity;
  std::unique_ptr<net::Listener> socket_listener;
  std::unique_ptr<net::Listener> port_listener;
  std::unique_ptr<net::Listener> direct_listener;
  std::string direct_error;  // why there is none
};

// It is not earlier than any of our own certificates.
UnixTime Agent::State::first_floor(const AgentState& folder) {
  UnixTime floor = std::max(folder.ratchets().time_floor, folder.root().validity().not_before);
  if (const auto factory = folder.factory(); factory && *factory)
    floor = std::max(floor, (*factory)->leaf().validity().not_before);
  if (const auto crl = folder.root_crl()) floor = std::max(floor, crl->this_update());
  return floor;
}

http::Router Agent::State::local_routes() {
  http::Router router;
  router.add("GET", "/status", [this](http::Request, net::PeerInfo) { return show_report(); });
  router.add("GET", "/claim-code", [this](http::Request, net::PeerInfo) { return show_claim_code(); });
  router.add("POST", "/remote-access",
             [this](http::Request request, net::PeerInfo) { return set_switch(std::move(request)); },
             {.body_limit = kSwitchBody});
  router.add("POST", "/services/{name}",
             [this](http::Request request, net::PeerInfo) { return set_service(std::move(request)); },
             {.body_limit = kSwitchBody});
  router.add("POST", "/server-check",
             [this](http::Request request, net::PeerInfo) { return check_shown(std::move(request)); },
             {.body_limit = kShownBody});
  telemetry.add_route(router);
  return router;
}

http::Router Agent::State::port_routes() {
  http::Router router;
  const auto& listen = agent_state.settings().telemetry_listen;
  if (listen) telemetry.add_guarded_route(router, net::to_string(*listen));
  return router;
}

net::Task<http::Response> Agent::State::show_report() {
  co_return json(report().write());
}

net::Task<http::Response> Agent::State::show_claim_code() {
  const auto code = enrolment.claim_code();
  if (!code) co_return http::Response::error(409, code.error().detail);
  co_return http::Response::text(*code + "\n");
}

net::Task<http::Response> Agent::State::set_switch(http::Request request) {
  const auto body = codec::parse_json(as_text(request.body));
  const auto on = body ? body->boolean_at("on") : Result<bool>(std::unexpected(body.error()));
  if (!on) co_return http::Response::error(400);
  auto done = presence ? presence->access.set_on(*on) : agent_state.set_remote_access(*on);
  if (!done) co_return http::response_of(done.error());
  co_return json("{}");
}

net::Task<http::Response> Agent::State::set_service(http::Request request) {
  const auto name = parse_service_name(request.param("name"));
  const auto body = codec::parse_json(as_text(request.body));
  const auto open = body ? body->boolean_at("open") : Result<bool>(std::unexpected(body.error()));
  if (!name || !open) co_return http::Response::error(400);
  if (auto done = switch_service(*name, *open); !done)
    co_return done.error().code == Errc::not_found ? http::Response::error(404, done.error().detail)
                                                   : http::response_of(done.error());
  co_return json("{}");
}

Result<void> Agent::State::switch_service(const ServiceName& service, bool open) {
  if (presence) return presence->access.set_open(service, open);
  return switch_service_of_folder(agent_state, service, open);
}

std::optional<DeviceIdentity> Agent::State::identity() const {
  const auto& credential = enrolment.operational();
  if (!credential) return std::nullopt;
  return DeviceIdentity{.key = std::make_shared<crypto::PrivateKey>(credential->key->clone()),
                        .chain = credential->chain,
                        .roots = agent_state.anchors(),
                        .zone = agent_state.settings().zone};
}

codec::Json Agent::State::values() const {
  codec::Json::Object out{{"values", telemetry.latest().list()}, {"waiting", nullptr}};
  if (const auto queue = telemetry.queue_state())
    out["waiting"] = codec::Json::Object{
        {"items", queue->items}, {"bytes", queue->bytes}, {"dropped", queue->dropped}, {"refused", queue->refused}};
  return out;
}

// That browsers see; 0: that of the listener, or there is none.
std::uint16_t Agent::State::direct_port() const {
  const auto& direct = agent_state.settings().direct;
  return direct ? direct->public_port.value_or(direct->listen.port) : 0;
}

// Its address may come later than the agent, or be somebody else's for a while: all else goes on meanwhile.
net::Task<void> Agent::State::listen_directly() {
  const net::Address address = agent_state.settings().direct->listen;
  for (;;) {
    auto listener = net::Listener::tcp(tasks.executor(), address, {.backlog = kDirectBacklog});
    if (listener) {
      direct_error.clear();
      direct_listener = *std::move(listener);
      log::info("agent.direct-listens", {{"address", net::to_string(direct_listener->address())}});
      co_return co_await presence->direct.accept_from(*direct_listener);
    }
    if (direct_error != listener.error().detail) log::warn("agent.direct-port", {{"error", listener.error()}});
    direct_error = listener.error().detail;
    co_await net::sleep_for(kDirectRetry);
  }
}

void Agent::State::tell_identity() const {
  if (told_identity) told_identity();
}

net::Task<http::Response> Agent::State::check_shown(http::Request request) {
  auto shown = shown_server(as_text(request.body));
  if (!shown) co_return http::Response::error(400, shown.error().detail);
  const auto checked = co_await check.check_leaf(std::move(shown->leaf), std::move(shown->name));
  if (!checked) co_return http::Response::error(409, checked.error().detail);
  co_return json("{}");
}

codec::Json Agent::State::report() const {
  ReportSources sources;
  sources.state = &agent_state;
  sources.operational = enrolment.operational();
  sources.web = enrolment.web();
  sources.enrolment = &enrolment;
  sources.check = &check;
  sources.way_out = &way_out;
  if (presence) {
    sources.access = &presence->access;
    sources.control = &presence->control;
  }
  if (auto queue = telemetry.queue_state()) sources.queue = *queue;
  sources.telemetry_error = telemetry.last_error();
  sources.direct_error = direct_error;
  if (node) sources.node = node();
  return make_report(sources);
}

Agent::Agent(net::Executor executor, const Clock& clock, Random& random, AgentState& state,
             telemetry::TelemetryQueue& queue)
    : state_(std::make_unique<State>(executor, clock, random, state, queue)) {}

Agent::~Agent() {
  state_->agent_state.operational().on_switch({});
}

Result<void> Agent::listen() {
  const auto socket = state_->agent_state.socket();
  std::error_code error;
  std::filesystem::create_directory(socket.parent_path(), error);
  TRY(state_->socket_listener, net::Listener::unix_socket(state_->tasks.executor(), socket.native()));
  if (const auto& address = state_->agent_state.settings().telemetry_listen) {
    TRY(state_->port_listener, net::Listener::tcp(state_->tasks.executor(), *address));
  }
  return {};
}

void Agent::start() {
  state_->tasks.spawn(run(), "agent");
}

net::Task<void> Agent::stop() {
  return state_->tasks.stop();
}

net::Task<void> Agent::run() {
  State& state = *state_;
  if (state.socket_listener)
    state.tasks.spawn(accept_for_ever(state.tasks, *state.socket_listener, state.local), "agent.socket");
  if (state.port_listener)
    state.tasks.spawn(accept_for_ever(state.tasks, *state.port_listener, state.port), "agent.port");
  if (auto loaded = state.enrolment.load(); !loaded) {
    log::error("agent.state", {{"error", loaded.error()}});
    co_return;
  }
  state.tasks.spawn(state.enrolment.run(), "agent.enrolment");
  co_await state.enrolment.until_enrolled();
  const auto rows = [this] { return make_rows(state_->report()); };
  state.presence = std::make_unique<Presence>(state.tasks, state.agent_state, state.time, state.dialer, state.check,
                                              state.random, state.enrolment, rows, state.direct_port());
  refresh_links(state.agent_state);
  state.tell_identity();
  state.agent_state.operational().on_switch([&folder = state.agent_state] { refresh_links(folder); });
  state.enrolment.on_change([&state, before = state.enrolment.operational()->leaf()]() mutable {
    if (state.enrolment.operational()->leaf() == before) return;
    before = state.enrolment.operational()->leaf();
    state.telemetry_link.close();
    state.presence->control.reconnect();
    state.tell_identity();
  });
  state.enrolment.on_facts([&state, roots = state.agent_state.anchors()]() mutable {
    if (roots != state.agent_state.anchors()) {
      roots = state.agent_state.anchors();
      state.tell_identity();
    }
    state.presence->access.gate().use_public_port(state.agent_state.public_port());
    refresh_links(state.agent_state);
  });
  log::info("agent.enrolled", {{"name", state.enrolment.name()->get()}});
  state.tasks.spawn(state.presence->access.run(), "agent.grants");
  if (state.agent_state.settings().direct) state.tasks.spawn(state.listen_directly(), "agent.direct-port");
  state.tasks.spawn(state.telemetry.run(), "agent.telemetry");
  co_await state.presence->control.run();
}

net::Task<Result<void>> Agent::upload_once(milliseconds limit) {
  State& state = *state_;
  const net::Deadline deadline(limit);
  CO_TRY_VOID(state.enrolment.load());
  if (!state.enrolment.operational()) CO_TRY_VOID(co_await state.enrolment.enrol_within(deadline));
  co_return co_await state.telemetry.drain(deadline);
}

net::Task<Result<void>> Agent::check_gateway() {
  State& state = *state_;
  CO_TRY_VOID(state.enrolment.load());
  auto identity = Presence::identity_of(state.enrolment.operational());
  if (!identity) {
    CO_TRY(const auto factory, state.agent_state.factory());
    identity = Presence::identity_of(factory);
  }
  if (!identity) co_return fail(Errc::not_found, "gateway: no certificate to show; run init --certificate");
  const DnsName gateway = state.agent_state.settings().server_name("gateway");
  ServerTarget target{
      .server_name = gateway, .certificate_name = gateway, .alpn = "http/1.1", .identity = *std::move(identity)};
  CO_TRY_VOID(co_await state.dialer.connect(std::move(target)));
  co_return Result<void>{};
}

net::Task<Result<void>> Agent::check_server(pki::Certificate leaf, DnsName name) {
  co_return co_await state_->check.check_leaf(std::move(leaf), std::move(name));
}

std::string Agent::report() const {
  return state_->report().write();
}

void Agent::describe_node(std::function<codec::Json()> node) {
  state_->node = std::move(node);
}

NodeDeskSources Agent::node_sources() {
  State* const state = state_.get();
  return {.identity = [state] { return state->identity(); },
          .values = [state] { return state->values(); },
          .services = [state] { return services_report(state->agent_state); },
          .switch_service = [state](const ServiceName& name, bool open) { return state->switch_service(name, open); }};
}

void Agent::on_identity(std::function<void()> told) {
  state_->told_identity = std::move(told);
}

const Enrolment& Agent::enrolment() const {
  return state_->enrolment;
}

const ServerCheck& Agent::server_check() const {
  return state_->check;
}

const ControlConnection* Agent::control() const {
  return state_->presence ? &state_->presence->control : nullptr;
}

Result<void> switch_service_of_folder(AgentState& state, const ServiceName& service, bool open) {
  TRY_VOID(switch_service(state, service, open));
  return {};
}

Result<std::string> report_of_folder(AgentState& state) {
  ReportSources sources;
  sources.state = &state;
  TRY(sources.operational, state.operational().load());
  TRY(sources.web, state.web().load());
  return make_report(sources).write();
}

Result<std::string> format_report_text(std::string_view report) {
  TRY(const auto parsed, codec::parse_json(report));
  return format_report(parsed);
}

}  // namespace sallyport::agent
