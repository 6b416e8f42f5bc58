#include "http/server.h"

#include "base/log.h"
#include "http/detail/message_reader.h"
#include "http/detail/message_writer.h"
#include "http/detail/server_connection.h"

namespace sallyport::http {

Response refusal_of(const Error& error, bool in_body) {
  switch (error.code) {
    case Errc::overloaded:
      return Response::error(in_body ? 413 : 431);
    case Errc::expired:
      return Response::error(408);
    default:
      return Response::error(400);
  }
}

net::Task<Response> ask_handler(const Handler& handler, Request request, net::PeerInfo peer) {
  try {
    co_return co_await handler(std::move(request), std::move(peer));
  } catch (const std::exception& error) {
    log::error("http.handler_failed", {{"what", error.what()}});
  }
  co_return Response::error(500);
}

net::Task<Result<Bytes>> collect_body(net::Stream& stream, MessageReader& reader, const Request& head,
                                      std::size_t limit, milliseconds time) {
  if (reader.body_is_done()) co_return Bytes{};
  if (reader.body_length().value_or(0) > limit)
    co_return failf(Errc::overloaded, "http body: more than {} bytes", limit);
  const net::Deadline deadline(time);
  if (head.headers.lists("Expect", "100-continue")) {
    CO_TRY_VOID(co_await stream.write_all(as_bytes("HTTP/1.1 100 Continue\r\n\r\n"), deadline));
  }
  co_return co_await reader.read_whole(limit, deadline);
}

namespace {

// One connection that is being served.
struct Connection {
  Connection(net::Stream& served, const Router& routes, const ServerOptions& chosen)
      : stream(served), reader(served), router(routes), options(chosen) {}

  net::Stream& stream;
  MessageReader reader;
  const Router& router;
  const ServerOptions& options;
};

void add_defaults(Response& response, const Headers& defaults) {
  for (const auto& field : defaults.fields()) {
    if (!response.headers.has(field.name)) response.headers.add(field.name, field.value);
  }
}

net::Task<Response> answer(Connection& connection, Request request) {
  auto routed = connection.router.find(request.method, request.path());
  if (auto* refused = std::get_if<Response>(&routed)) co_return std::move(*refused);
  auto& match = std::get<Router::Match>(routed);
  auto body = co_await collect_body(connection.stream, connection.reader, request, match.body_limit,
                                    connection.options.body_limit);
  if (!body) {
    auto refused = refusal_of(body.error(), true);
    refused.close = true;
    co_return refused;
  }
  request.body = *std::move(body);
  request.params = std::move(match.params);
  co_return co_await ask_handler(*match.handler, std::move(request), connection.stream.peer());
}

// Answers one request; false when the connection is to end.
net::Task<bool> serve_one(Connection& connection, bool last) {
  const auto& options = connection.options;
  auto incoming = co_await connection.reader.read_request(options.idle_limit, options.header_limit);
  ResponsePlan plan{.limit = options.write_limit};
  Response response;
  Request head;
  if (!incoming) {
    const auto code = incoming.error().code;
    if (code == Errc::unavailable || (code == Errc::expired && !connection.reader.has_begun())) co_return false;
    response = refusal_of(incoming.error(), false);
    plan.keep_alive = false;
  } else {
    if (!*incoming) co_return false;
    head = (*incoming)->request;
    plan.http_1_0 = (*incoming)->minor_version == 0;
    plan.to_head = head.method == "HEAD";
    const bool wants_close = head.headers.lists("Connection", "close");
    response = co_await (options.on_answer ? answer(connection, head) : answer(connection, std::move(head)));
    plan.keep_alive = !last && !plan.http_1_0 && !response.close && !wants_close && connection.reader.body_is_done();
  }
  add_defaults(response, options.default_headers);
  const auto status = response.status;
  auto written = co_await write_response(connection.stream, std::move(response), plan);
  if (options.on_answer) options.on_answer(head, status, connection.stream.peer());
  co_return written.has_value() && plan.keep_alive;
}

}  // namespace

Server::Server(Router router, ServerOptions options) : router_(std::move(router)), options_(std::move(options)) {}

net::Task<void> Server::serve(net::StreamPtr stream) const {
  Connection connection(*stream, router_, options_);
  std::size_t requests = 0;
  while (co_await serve_one(connection, requests + 1 == options_.max_requests)) ++requests;
  co_await linger_and_close(*stream);
}

}  // namespace sallyport::http
