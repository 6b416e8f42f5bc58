#include "http/server.h"

#include <array>

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
  std::size_t requests = 0;  // answered
};

void add_defaults(Response& response, const Headers& defaults) {
  for (const auto& field : defaults.fields()) {
    if (!response.headers.has(field.name)) response.headers.add(field.name, field.value);
  }
}

std::optional<Response> judge_head(const RouteOptions& route, const Request& head, const net::PeerInfo& peer) {
  return route.judge_head ? route.judge_head(head, peer) : std::nullopt;
}

net::Task<Response> answer(Connection& connection, Request request) {
  auto routed = connection.router.find(request.method, request.path());
  if (auto* refused = std::get_if<Response>(&routed)) co_return std::move(*refused);
  auto& match = std::get<Router::Match>(routed);
  if (auto refused = judge_head(*match.options, request, connection.stream.peer())) {
    refused->close = refused->close || !connection.reader.body_is_done();
    co_return *std::move(refused);
  }
  auto body = co_await collect_body(connection.stream, connection.reader, request, match.options->body_limit,
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

// Keeps what may be repeated, and writes it.
net::Task<Result<void>> write_kept(Connection& connection, ByteView head, Response response, const ResponsePlan& plan) {
  auto& repeated = connection.options.repeated;
  const bool is_kept = repeated && response.may_repeat && plan.keep_alive && !plan.to_head && !response.stream;
  if (!is_kept) co_return co_await write_response(connection.stream, std::move(response), plan);
  const auto whole = std::make_shared<const Bytes>(encode_response(std::move(response), plan));
  repeated->put(head, whole);
  co_return co_await connection.stream.write_all(*whole, plan.limit);
}

// Answers a request whose head has come; false when the connection is to end.
net::Task<bool> answer_head(Connection& connection, ByteView raw, bool last) {
  const auto& options = connection.options;
  ResponsePlan plan{.limit = options.write_limit};
  Response response;
  Request head;
  auto incoming = connection.reader.take_request(raw);
  if (!incoming) {
    response = refusal_of(incoming.error(), false);
    plan.keep_alive = false;
  } else {
    head = std::move(incoming->request);
    plan.http_1_0 = incoming->minor_version == 0;
    plan.to_head = head.method == "HEAD";
    const bool wants_close = head.headers.lists("Connection", "close");
    const bool has_body = !connection.reader.body_is_done();
    response = co_await (options.on_answer ? answer(connection, head) : answer(connection, std::move(head)));
    response.may_repeat = response.may_repeat && !has_body;
    plan.keep_alive = !last && !plan.http_1_0 && !response.close && !wants_close && connection.reader.body_is_done();
  }
  add_defaults(response, options.default_headers);
  const auto status = response.status;
  auto written = co_await write_kept(connection, raw, std::move(response), plan);
  if (options.on_answer) options.on_answer(head, status, connection.stream.peer());
  co_return written.has_value() && plan.keep_alive;
}

// The head did not come whole, or is none.
net::Task<void> refuse_head(Connection& connection, const Error& error) {
  if (error.code == Errc::unavailable) co_return;
  if (error.code == Errc::expired && !connection.reader.has_begun()) co_return;
  const auto& options = connection.options;
  Response response = refusal_of(error, false);
  add_defaults(response, options.default_headers);
  const auto status = response.status;
  const ResponsePlan plan{.keep_alive = false, .limit = options.write_limit};
  static_cast<void>(co_await write_response(connection.stream, std::move(response), plan));
  const Request nothing;
  if (options.on_answer) options.on_answer(nothing, status, connection.stream.peer());
}

// Answers one request; false when the connection is to end.
net::Task<bool> serve_one(Connection& connection) {
  const auto& options = connection.options;
  const bool last = ++connection.requests == options.max_requests;
  const auto head = co_await connection.reader.read_head(options.idle_limit, options.header_limit);
  if (!head) co_await refuse_head(connection, head.error());
  if (!head || head->empty()) co_return false;
  const auto known = options.repeated && !last ? options.repeated->find(*head) : nullptr;
  if (!known) co_return co_await answer_head(connection, *head, last);
  const auto written = co_await connection.stream.write_all(*known, options.write_limit);
  co_return written.has_value();
}

// What came of looking for a request that was answered before.
struct Repeat {
  enum class Found : std::uint8_t { nothing, other, answered } found = Found::nothing;
  std::shared_ptr<const Bytes> answer{};
  std::size_t written = 0;  // of it
};

// What is read and is no such request goes to the reader.
Repeat answer_at_once(Connection& connection) {
  using Found = Repeat::Found;
  static thread_local std::array<std::uint8_t, kHeadReadSize> buffer;
  const auto got = connection.stream.read_now(buffer);
  if (got && !*got) return {};
  if (!got || **got == 0) return {.found = Found::other};  // which the reader finds as well
  const ByteView bytes = ByteView(buffer).first(**got);
  Repeat repeat{.found = Found::answered, .answer = connection.options.repeated->find(bytes)};
  if (!repeat.answer) {
    connection.reader.put_back(bytes);
    return {.found = Found::other};
  }
  ++connection.requests;
  repeat.written = connection.stream.write_now(*repeat.answer).value_or(0);  // a fault shows at the next write
  return repeat;
}

// Answers requests that were answered before, as long as nothing else comes, without a buffer for each connection.
// False when it is to end.
net::Task<bool> serve_repeated(Connection& connection) {
  using Found = Repeat::Found;
  const auto& options = connection.options;
  bool has_waited = false;
  while (options.repeated && !connection.reader.has_unread() && connection.requests + 1 < options.max_requests) {
    const Repeat repeat = answer_at_once(connection);
    if (repeat.found == Found::other || (repeat.found == Found::nothing && has_waited)) break;
    has_waited = repeat.found == Found::nothing;
    if (has_waited && !co_await connection.stream.wait_readable(options.idle_limit)) co_return false;
    if (has_waited || repeat.written == repeat.answer->size()) continue;
    const auto rest = ByteView(*repeat.answer).subspan(repeat.written);
    if (!co_await connection.stream.write_all(rest, options.write_limit)) co_return false;
  }
  co_return true;
}

}  // namespace

Server::Server(Router router, ServerOptions options) : router_(std::move(router)), options_(std::move(options)) {}

net::Task<void> Server::serve(net::StreamPtr stream) const {
  Connection connection(*stream, router_, options_);
  while (co_await serve_repeated(connection) && co_await serve_one(connection)) {
  }
  co_await linger_and_close(*stream);
}

}  // namespace sallyport::http
