#include "console/console.h"

#include "base/log.h"
#include "console/api.h"
#include "console/metrics.h"
#include "console/static_files.h"
#include "http/server.h"
#include "net/admissions.h"
#include "net/hand_over.h"
#include "net/rpc_link.h"
#include "net/tls_stream.h"

namespace sallyport::console {
namespace {

constexpr milliseconds kHandshakeLimit{10'000};
constexpr std::size_t kMaxTelemetryAnswer = 16U << 20U;
constexpr std::size_t kMaxCallerAnswer = 8U << 20U;
constexpr milliseconds kLeastBetweenMoves{200};  // the caller tells of its own at most every 250 ms
constexpr std::string_view kRpcMoved = R"({"event":"rpc","tenant":"","data":{}})";

net::RpcLinkOptions telemetry_options(std::string path) {
  net::RpcLinkOptions options;
  options.path = std::move(path);
  options.rpc.max_frame = kMaxTelemetryAnswer;
  return options;
}

}  // namespace

struct Console::State {
  State(net::Executor on, const Clock& civil, Random& random, Settings what)
      : executor(on),
        clock(civil),
        settings(std::move(what)),
        events(on, [this](records::Digest token) { return is_alive(token); }),
        link(on, clock, random, settings.link, link_events()),
        sessions(clock, random, link),
        telemetry(on, random, telemetry_options(settings.telemetry_socket)),
        caller(settings.caller_socket.empty() ? nullptr : make_caller(random)),
        api(clock, random, link, telemetry, caller.get(), sessions, events, facts()),
        server(routes(), {.default_headers = strict_headers(settings.zone)}),
        metrics(metrics_routes(link)) {}

  rolelink::Events link_events();
  std::unique_ptr<net::RpcLink> make_caller(Random& random);
  void on_caller_event();
  ApiFacts facts() const;
  http::Router routes();
  net::Task<bool> is_alive(records::Digest token);
  void use_identity(crypto::TlsIdentity identity);
  net::Task<void> serve_connection(net::HandedOver connection);
  net::Task<void> serve_metrics_connection(net::StreamPtr stream);

  net::Executor executor;
  const Clock& clock;
  Settings settings;
  EventHub events;
  rolelink::RoleLink link;
  LoginSessions sessions;
  net::RpcLink telemetry;
  std::unique_ptr<net::RpcLink> caller;
  std::optional<Instant> moved;  // when watchers were told last that nodes or calls have changed
  Api api;
  http::Server server;
  http::Server metrics;
  std::size_t metrics_connections = 0;
  std::shared_ptr<crypto::TlsContext> tls;
  net::Admissions admissions{kMaxConnections, kMaxConnectionsPerSource};
};

rolelink::Events Console::State::link_events() {
  rolelink::Events told;
  told.on_admin_event = [this](std::string_view json) { events.publish(json); };
  told.on_subscribed = [this] { events.tell_to_read_anew(); };
  return told;
}

std::unique_ptr<net::RpcLink> Console::State::make_caller(Random& random) {
  net::RpcLinkOptions options;
  options.path = settings.caller_socket;
  options.rpc.max_frame = kMaxCallerAnswer;
  options.rpc.on_event = [this](const Bytes&, const net::Caller&) { on_caller_event(); };
  options.on_disconnect = [this] { events.publish(kRpcMoved); };
  return std::make_unique<net::RpcLink>(executor, random, std::move(options));
}

// That something has moved, and never more often than pages can follow; what it is they ask for themselves.
void Console::State::on_caller_event() {
  const Instant now = clock.monotonic();
  if (moved && now - *moved < kLeastBetweenMoves) return;
  moved = now;
  events.publish(kRpcMoved);
}

ApiFacts Console::State::facts() const {
  return {.installation = settings.installation,
          .zone = settings.zone,
          .public_port = settings.public_port,
          .origin = https_origin(settings.console_name.get(), settings.public_port)};
}

http::Router Console::State::routes() {
  http::Router router;
  api.add_routes(router);
  add_static_files(router, web_assets());
  return router;
}

// A session ends when the authority says so, not when it does not answer.
net::Task<bool> Console::State::is_alive(records::Digest token) {
  const auto session = co_await sessions.find(token, LoginSessions::Purpose::look);
  co_return session.has_value() || session.error().code != Errc::unauthorized;
}

void Console::State::use_identity(crypto::TlsIdentity identity) {
  crypto::TlsServerSettings server_settings;
  server_settings.identity = identity;
  server_settings.alpn = {"http/1.1"};
  const std::string name = settings.console_name.get();
  server_settings.identity_for = [name, identity](std::string_view wanted) -> Result<crypto::TlsIdentity> {
    if (wanted == name || wanted == "api." + name) return identity;
    return fail(Errc::not_found, "console: a server name that is not ours");
  };
  auto context = crypto::TlsContext::server(std::move(server_settings));
  if (!context) {
    log::error("console.tls", {{"error", context.error()}});
    return;
  }
  tls = *std::move(context);
}

net::Task<void> Console::State::serve_connection(net::HandedOver connection) {
  const auto context = tls;
  if (!connection.is_tls || !context) co_return;
  const auto place = admissions.admit(net::source_of(connection.stream->peer().address.host));
  if (!place) co_return;
  auto stream = co_await net::tls_accept(std::move(connection.stream), context, kHandshakeLimit);
  if (stream) co_await server.serve(*std::move(stream));
}

net::Task<void> Console::State::serve_metrics_connection(net::StreamPtr stream) {
  ++metrics_connections;
  co_await metrics.serve(std::move(stream));
  --metrics_connections;
}

Console::Console(net::Executor executor, const Clock& clock, Random& random, Settings settings)
    : state_(std::make_unique<State>(executor, clock, random, std::move(settings))) {
  const auto use = [state = state_.get()](crypto::TlsIdentity identity) { state->use_identity(std::move(identity)); };
  net::spawn(executor, state_->link.keep_certificate(records::CertificateKind::server, use), "console.certificate");
}

Console::~Console() = default;

bool Console::is_ready() const {
  return state_->tls != nullptr;
}

net::Task<void> Console::serve(net::Listener& listener) {
  const auto take = [state = state_.get()](net::HandedOver connection) {
    net::spawn(state->executor, state->serve_connection(std::move(connection)), "console.connection");
  };
  co_await net::serve_hand_over(listener, state_->settings.givers, take);
}

net::Task<void> Console::serve_metrics(net::Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    if (state_->metrics_connections >= kMaxMetricsConnections) {
      (*stream)->close();
      continue;
    }
    net::spawn(state_->executor, state_->serve_metrics_connection(*std::move(stream)), "console.metrics");
  }
}

}  // namespace sallyport::console
