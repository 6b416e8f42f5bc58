#include "status/edge.h"

#include "base/log.h"
#include "http/client.h"
#include "http/server.h"
#include "net/connect.h"
#include "net/timer.h"
#include "status/ocsp_http.h"

namespace sallyport::status {
namespace {

// For everything that is fetched in one round.
constexpr milliseconds kRoundLimit{60'000};
constexpr std::string_view kPath = "/crl/presigned";

}  // namespace

struct Edge::State : std::enable_shared_from_this<Edge::State> {
  State(net::Executor on, const Clock& civil, EdgeSettings what)
      : executor(on), clock(civil), settings(std::move(what)), shelf(civil, settings.roots), server(routes()) {}

  http::Router routes();
  http::Response answer_file(const std::string& file) const;
  net::Task<Result<void>> fetch_all();
  net::Task<Result<Bytes>> fetch(http::Client& client, std::string target, net::Deadline deadline, std::size_t limit);
  net::Task<Result<void>> fetch_lists(http::Client& client, Presigned presigned, net::Deadline deadline);
  static net::Task<void> follow(std::weak_ptr<State> weak);
  static net::Task<void> serve_connection(std::shared_ptr<State> self, net::StreamPtr stream);

  net::Executor executor;
  const Clock& clock;
  EdgeSettings settings;
  EdgeShelf shelf;
  http::Server server;
  std::size_t connections = 0;
};

http::Router Edge::State::routes() {
  http::Router router;
  const auto reply = [](http::Response response) -> net::Task<http::Response> { co_return response; };
  router.add("POST", "/ocsp",
             [this, reply](http::Request request, net::PeerInfo) {
               const auto question = posted_question(request);
               return reply(question ? to_http(shelf.answer(*question), clock.now()) : wrong_type());
             },
             {.body_limit = pki::kMaxOcspRequestBytes});
  router.add("GET", "/ocsp/{request...}",
             [this, reply](http::Request request, net::PeerInfo) {
               return reply(to_http(shelf.answer(question_in_path(request)), clock.now()));
             },
             {.encoded_slashes = true});
  router.add("GET", "/crl/{file}",
             [this, reply](http::Request request, net::PeerInfo) { return reply(answer_file(request.param("file"))); });
  return router;
}

http::Response Edge::State::answer_file(const std::string& file) const {
  if (file.ends_with(".cer")) {
    auto der = shelf.find_ca(std::string_view(file).substr(0, file.size() - 4));
    return der ? certificate_to_http(*std::move(der)) : http::Response::error(404);
  }
  if (!file.ends_with(".crl")) return http::Response::error(404);
  const std::string_view name = std::string_view(file).substr(0, file.size() - 4);
  if (const ServedCrl* list = shelf.find_list(name); list != nullptr) return to_http(*list, clock.now());
  auto der = shelf.find_root_crl(name);
  return der ? root_crl_to_http(*std::move(der)) : http::Response::error(404);
}

net::Task<Result<Bytes>> Edge::State::fetch(http::Client& client, std::string target, net::Deadline deadline,
                                            std::size_t limit) {
  http::Request request;
  request.target = target;
  CO_TRY(auto response, co_await client.send(std::move(request), deadline, limit));
  if (response.status != 200)
    co_return failf(Errc::unavailable, "status host: {} answered {}, want 200", target, response.status);
  co_return std::move(response.body);
}

net::Task<Result<void>> Edge::State::fetch_all() {
  const net::Deadline deadline(kRoundLimit);
  CO_TRY(auto stream, co_await net::connect_tcp(settings.origin, deadline));
  http::Client client(std::move(stream), settings.host);
  CO_TRY(const Bytes bytes, co_await fetch(client, std::string(kPath), deadline, kMaxPresignedBytes));
  CO_TRY(auto presigned, parse_presigned(bytes));
  const EdgeShelf::Taken taken = shelf.take(presigned);
  if (taken.answers > 0) log::info("edge.taken", {{"answers", taken.answers}, {"held", shelf.answer_count()}});
  if (taken.refused > 0) log::warn("edge.refused", {{"pieces", taken.refused}});
  co_return co_await fetch_lists(client, std::move(presigned), deadline);
}

net::Task<Result<void>> Edge::State::fetch_lists(http::Client& client, Presigned presigned, net::Deadline deadline) {
  for (const PresignedList& list : shelf.wanted_lists(presigned)) {
    const auto name = shelf.file_of(list.ca);
    if (!name) continue;
    CO_TRY(auto der, co_await fetch(client, fmt::format("/crl/{}.crl", *name), deadline, pki::kMaxCrlBytes));
    CO_TRY_VOID(shelf.put_list(list.ca, std::move(der)));
    log::info("edge.crl", {{"ca", list.ca.get()}, {"number", list.number}});
  }
  co_return Result<void>{};
}

net::Task<void> Edge::State::follow(std::weak_ptr<State> weak) {
  for (;;) {
    if (const auto self = weak.lock()) {
      if (auto done = co_await self->fetch_all(); !done) log::warn("edge.not-followed", {{"error", done.error()}});
    } else {
      co_return;
    }
    co_await net::sleep_for(kEdgeRound);
  }
}

net::Task<void> Edge::State::serve_connection(std::shared_ptr<State> self, net::StreamPtr stream) {
  ++self->connections;
  co_await self->server.serve(std::move(stream));
  --self->connections;
}

Edge::Edge(net::Executor executor, const Clock& clock, EdgeSettings settings)
    : state_(std::make_shared<State>(executor, clock, std::move(settings))) {
  net::spawn(executor, State::follow(state_), "edge.follow");
}

Edge::~Edge() = default;

net::Task<void> Edge::serve(net::Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    if (state_->connections >= kMaxEdgeConnections) {
      (*stream)->close();
      continue;
    }
    net::spawn(state_->executor, State::serve_connection(state_, *std::move(stream)), "edge.connection");
  }
}

}  // namespace sallyport::status
