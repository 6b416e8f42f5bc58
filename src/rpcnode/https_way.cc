#include "rpcnode/https_way.h"

#include <charconv>
#include <utility>

#include "base/log.h"
#include "http/server.h"
#include "net/tls_stream.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::string_view kAlpn = "http/1.1";
constexpr std::int64_t kDefaultTimeout = 10;
constexpr std::int64_t kMaxTimeout = 600;

Result<seconds> read_timeout(const http::Request& request) {
  const auto text = request.headers.find("Sallyport-Timeout");
  if (!text) return seconds(kDefaultTimeout);
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (fault != std::errc() || end != text->data() + text->size() || value < 1 || value > kMaxTimeout)
    return failf(Errc::malformed, "Sallyport-Timeout: want 1 to {} seconds", kMaxTimeout);
  return seconds(value);
}

http::Response response_of(const sealed::ReplyBody& reply) {
  switch (reply.status) {
    case sealed::ReplyStatus::done:
      if (reply.json.empty()) return http::Response{.status = 204};
      return http::Response::bytes(to_bytes(reply.json), "application/json");
    case sealed::ReplyStatus::accepted:
      return http::Response{.status = 202};
    case sealed::ReplyStatus::expired:
      return http::Response::error(410, "the id is too old: whether it ran cannot be told any more");
    case sealed::ReplyStatus::outcome_unknown:
      return http::Response::error(409, "it was started, and what came of it is lost");
    default: {
      auto response = http::Response::error(503, "too much to do; nothing was run");
      response.headers.set("Retry-After", std::to_string(std::max<std::int64_t>(reply.after.count(), 1)));
      return response;
    }
  }
}

}  // namespace

struct HttpsWay::State {
  State(net::TaskGroup& group, const Clock& time, Random& source, Node& serving)
      : tasks(group), clock(time), random(source), node(serving) {}

  net::TaskGroup& tasks;
  const Clock& clock;
  Random& random;
  Node& node;
  std::optional<Identity> identity;
  std::shared_ptr<crypto::TlsContext> context;
  std::unique_ptr<net::Listener> listener;
  std::unique_ptr<http::Server> server;
  std::size_t open = 0;

  Result<void> make_context();
  static net::Task<http::Response> answer(State& self, http::Request request, net::PeerInfo peer);
  static net::Task<void> serve(std::shared_ptr<State> self, net::StreamPtr stream);
  static net::Task<void> accept(std::shared_ptr<State> self);
};

Result<void> HttpsWay::State::make_context() {
  crypto::TlsServerSettings settings;
  settings.identity = identity->tls();
  settings.alpn = {std::string(kAlpn)};
  settings.client_auth = crypto::ClientAuth::required;
  settings.verify_client = [this](std::span<const Bytes> chain) -> Result<void> {
    TRY_VOID(identity->name(std::vector<Bytes>(chain.begin(), chain.end()), clock.now()));
    return {};
  };
  TRY(context, crypto::TlsContext::server(std::move(settings)));
  return {};
}

net::Task<http::Response> HttpsWay::State::answer(State& self, http::Request request, net::PeerInfo peer) {
  const auto caller = self.identity->name(peer.tls_chain, self.clock.now());
  if (!caller) co_return http::Response::error(403, "the certificate is no longer good");
  const sealed::Principal& principal = caller->principal;
  if (!self.node.knows(principal)) co_return http::Response::error(403, "no [[caller]] of rpc.toml is for it");
  const auto timeout = read_timeout(request);
  if (!timeout) co_return http::Response::error(400, timeout.error().detail);
  sealed::CallId id = sealed::draw_call_id(self.clock.now(), self.random);
  if (const auto text = request.headers.find("Idempotency-Key")) {
    auto parsed = sealed::parse_call_id(*text);
    if (!parsed) co_return http::Response::error(400, "Idempotency-Key: want a UUID in lower case");
    id = *parsed;
  }
  const UnixTime deadline = self.clock.now() + *timeout;
  const auto reply = co_await self.node.call(principal, id, deadline, std::string(as_text(request.body)), "https");
  co_return response_of(reply);
}

net::Task<void> HttpsWay::State::serve(std::shared_ptr<State> self, net::StreamPtr stream) {
  auto secured = co_await net::tls_accept(std::move(stream), self->context, kHttpsHandshakeLimit);
  if (secured) co_await self->server->serve(*std::move(secured));
  --self->open;
}

net::Task<void> HttpsWay::State::accept(std::shared_ptr<State> self) {
  while (true) {
    auto stream = co_await self->listener->accept(net::Deadline::never());
    if (!stream) co_return;
    if (self->open >= kMaxHttpsConnections) continue;  // closed again, unread
    ++self->open;
    self->tasks.spawn(serve(self, *std::move(stream)), "rpc.https");
  }
}

Result<std::unique_ptr<HttpsWay>> HttpsWay::open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                                 const net::Address& address, const Identity& identity, Node& node) {
  auto state = std::make_shared<State>(tasks, clock, random, node);
  state->identity = identity;
  TRY_VOID(state->make_context());
  TRY(state->listener, net::Listener::tcp(tasks.executor(), address));
  http::Router router;
  router.add("POST", "/rpc",
             [&self = *state](http::Request request, net::PeerInfo peer) {
               return State::answer(self, std::move(request), std::move(peer));
             },
             {.body_limit = sealed::kMaxMessageBytes});
  state->server = std::make_unique<http::Server>(std::move(router));
  tasks.spawn(State::accept(state), "rpc.https");
  std::unique_ptr<HttpsWay> out(new HttpsWay);
  out->state_ = std::move(state);
  return out;
}

HttpsWay::~HttpsWay() {
  if (state_) state_->listener->close();
}

Result<void> HttpsWay::take(const Identity& identity) {
  state_->identity = identity;
  return state_->make_context();
}

const net::Address& HttpsWay::address() const {
  return state_->listener->address();
}

}  // namespace sallyport::rpcnode
