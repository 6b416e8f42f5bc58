#include "http/proxy.h"

#include <algorithm>

#include "base/log.h"
#include "http/detail/message_reader.h"
#include "http/detail/message_writer.h"
#include "http/detail/server_connection.h"
#include "net/copy.h"
#include "net/run.h"
#include "net/timer.h"

namespace sallyport::http {
namespace {

struct Upstream {
  explicit Upstream(net::StreamPtr opened) : stream(std::move(opened)), reader(*stream) {}
  net::StreamPtr stream;
  MessageReader reader;
  bool used = false;
  bool reusable = true;
};

// One request on its way.
struct Passage {
  explicit Passage(const net::Executor& executor) : body_ended(executor) {}

  Request original;
  Request forwarded;
  int minor_version = 1;
  bool wants_upgrade = false;
  bool body_sent = false;
  net::Event body_ended;  // sent or given up
  bool response_begun = false;
  bool keep_user = false;
};

bool asks_upgrade(const Request& request, int minor_version) {
  return minor_version >= 1 && request.headers.has("Upgrade") && request.headers.lists("Connection", "upgrade");
}

Response gateway_refusal(const Error& error) {
  return Response::error(error.code == Errc::expired ? 504 : 502);
}

}  // namespace

void remove_hop_by_hop(Headers& headers) {
  std::vector<std::string> named;
  for (const auto value : headers.all("Connection")) {
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto end = rest.find(',');
      auto name = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      const auto first = name.find_first_not_of(" \t");
      if (first == std::string_view::npos) continue;
      name = name.substr(first, name.find_last_not_of(" \t") - first + 1);
      // What says where a message goes and ends is not the sender's to have removed.
      const bool protected_field = equal_ignoring_case(name, "Host") || equal_ignoring_case(name, "Content-Length") ||
                                   equal_ignoring_case(name, "Cookie") || equal_ignoring_case(name, "Authorization");
      if (!protected_field) named.emplace_back(name);
    }
  }
  for (const auto& name : named) headers.remove(name);
  for (const auto* name : {"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
                           "TE", "Trailer", "Transfer-Encoding", "Upgrade"}) {
    headers.remove(name);
  }
}

struct ProxyConnection::State {
  State(net::StreamPtr stream, ProxyHooks chosen_hooks, ProxyOptions chosen)
      : user(std::move(stream)), reader(*user), hooks(std::move(chosen_hooks)), options(chosen) {}

  net::Task<bool> serve_one();
  net::Task<bool> decide(RequestHead head);
  net::Task<bool> answer_here(RequestHead head, AnswerHere here);
  net::Task<bool> answer(const Request& request, int minor_version, Response response, bool keep_alive);
  net::Task<bool> forward(Passage& passage);
  net::Task<void> send_body_to_its_end(Passage& passage);
  net::Task<void> receive(Passage& passage);
  net::Task<bool> pass_or_refuse(Passage& passage, Result<ResponseHead> head);
  net::Task<Result<void>> open_upstream();
  net::Task<Result<void>> send_head(Passage& passage);
  net::Task<void> send_body(Passage& passage);
  net::Task<Result<ResponseHead>> read_final_head(Passage& passage);
  net::Task<Result<ResponseHead>> exchange_heads(Passage& passage);
  net::Task<Result<bool>> pass_response(Passage& passage, ResponseHead head);
  net::Task<Result<void>> pass_body(Framing framing);
  net::Task<Result<bool>> pass_upgrade(Passage& passage, ResponseHead head);
  void drop_upstream();
  void fail_with(Error error) {
    if (!totals.error) totals.error = std::move(error);
  }
  void tell(const Request& request, unsigned status) {
    if (hooks.on_answer) hooks.on_answer(request, status);
  }

  net::StreamPtr user;
  MessageReader reader;
  ProxyHooks hooks;
  ProxyOptions options;
  std::unique_ptr<Upstream> upstream;
  ProxyTotals totals;
  bool is_cut = false;
};

void ProxyConnection::State::drop_upstream() {
  if (upstream) upstream->stream->close();
  upstream.reset();
}

net::Task<bool> ProxyConnection::State::answer(const Request& request, int minor_version, Response response,
                                               bool keep_alive) {
  const auto status = response.status;
  keep_alive = keep_alive && minor_version >= 1 && !response.close && reader.body_is_done() &&
               !request.headers.lists("Connection", "close");
  const ResponsePlan plan{.to_head = request.method == "HEAD",
                          .http_1_0 = minor_version == 0,
                          .keep_alive = keep_alive,
                          .limit = kWriteLimit};
  auto written = co_await write_response(*user, std::move(response), plan);
  tell(request, status);
  if (!written) fail_with(std::move(written).error());
  co_return written.has_value() && keep_alive;
}

net::Task<bool> ProxyConnection::State::serve_one() {
  auto incoming = co_await reader.read_request(options.idle_limit, options.header_limit);
  if (incoming && !*incoming) co_return false;
  if (incoming) co_return co_await decide(**std::move(incoming));
  const auto code = incoming.error().code;
  if (code == Errc::unavailable || (code == Errc::expired && !reader.has_begun())) co_return false;
  fail_with(incoming.error());
  co_return co_await answer({}, 1, refusal_of(incoming.error(), false), false);
}

net::Task<bool> ProxyConnection::State::decide(RequestHead head) {
  ++totals.requests;
  if (head.request.method == "CONNECT") co_return co_await answer(head.request, 1, Response::error(405), false);
  auto decision = co_await hooks.decide(head.request, user->peer());
  if (is_cut) co_return false;
  if (auto* response = std::get_if<Response>(&decision)) {
    co_return co_await answer(head.request, head.minor_version, std::move(*response), true);
  }
  if (auto* here = std::get_if<AnswerHere>(&decision)) {
    co_return co_await answer_here(std::move(head), std::move(*here));
  }
  Passage passage(user->executor());
  passage.original = std::move(head.request);
  passage.forwarded = std::move(std::get<Forward>(decision).head);
  passage.minor_version = head.minor_version;
  passage.wants_upgrade = options.allow_upgrade && asks_upgrade(passage.original, passage.minor_version);
  co_return co_await forward(passage);
}

net::Task<bool> ProxyConnection::State::answer_here(RequestHead head, AnswerHere here) {
  auto body = co_await collect_body(*user, reader, head.request, here.body_limit, kBodyLimit);
  if (!body) co_return co_await answer(head.request, head.minor_version, refusal_of(body.error(), true), false);
  auto request = head.request;
  totals.bytes_from_user += body->size();
  request.body = *std::move(body);
  auto response = co_await ask_handler(here.handler, std::move(request), user->peer());
  co_return co_await answer(head.request, head.minor_version, std::move(response), true);
}

net::Task<Result<void>> ProxyConnection::State::open_upstream() {
  if (upstream && upstream->reusable) {
    // What an idle upstream sends is its goodbye.
    auto readable = co_await upstream->stream->wait_readable(milliseconds(0));
    if (!readable && readable.error().code == Errc::expired) co_return Result<void>{};
  }
  drop_upstream();
  CO_TRY(auto stream, co_await hooks.connect_upstream());
  upstream = std::make_unique<Upstream>(std::move(stream));
  if (is_cut) drop_upstream();
  if (is_cut) co_return fail(Errc::unavailable, "proxy: cut");
  co_return Result<void>{};
}

net::Task<Result<void>> ProxyConnection::State::send_head(Passage& passage) {
  auto head = passage.forwarded;
  head.body.clear();
  const auto upgrade = std::string(passage.original.headers.get("Upgrade"));
  remove_hop_by_hop(head.headers);
  set_framing(head.headers, reader.framing(), reader.body_length());
  if (passage.minor_version == 0) head.headers.remove("Expect");
  if (passage.wants_upgrade) {
    head.headers.set("Connection", "Upgrade");
    head.headers.set("Upgrade", upgrade);
  }
  const auto bytes = encode_request_head(head);
  co_return co_await upstream->stream->write_all(bytes, kWriteLimit);
}

// Sends the body as it arrives. Ends early when the upstream takes no more: its response says why.
net::Task<void> ProxyConnection::State::send_body(Passage& passage) {
  const bool chunked = reader.framing() == Framing::chunked;
  while (!reader.body_is_done()) {
    auto piece = co_await reader.read_piece(options.stream_idle);
    if (!piece) {
      // Half a request must not look like a whole one.
      fail_with(std::move(piece).error());
      if (upstream) upstream->stream->close();
      co_return;
    }
    totals.bytes_from_user += piece->size();
    if (piece->empty()) break;
    const auto bytes = chunked ? encode_chunk(*piece) : *std::move(piece);
    auto written = co_await upstream->stream->write_all(bytes, options.stream_idle);
    if (!written) co_return;
  }
  if (chunked) {
    auto written = co_await upstream->stream->write_all(as_bytes(kLastChunk), options.stream_idle);
    if (!written) co_return;
  }
  passage.body_sent = true;
}

net::Task<void> ProxyConnection::State::send_body_to_its_end(Passage& passage) {
  try {
    co_await send_body(passage);
  } catch (const std::exception& error) {
    log::error("http.proxy_body_failed", {{"what", error.what()}});
  }
  passage.body_ended.set();
}

// Reads heads until the final one; passes interim ones on.
net::Task<Result<ResponseHead>> ProxyConnection::State::read_final_head(Passage& passage) {
  const net::Deadline deadline(options.response_limit);
  while (true) {
    CO_TRY(auto head, co_await upstream->reader.read_response(passage.original.method == "HEAD", deadline));
    passage.response_begun = true;
    if (head.response.status >= 200 || head.response.status == 101) co_return head;
    if (passage.minor_version == 0) continue;
    remove_hop_by_hop(head.response.headers);
    const auto bytes = encode_response_head(head.response, head.reason);
    CO_TRY_VOID(co_await user->write_all(bytes, kWriteLimit));
  }
}

// Sends what has no body and reads the answer's head. An upstream connection that was idle may have been closed
// meanwhile: what can be repeated safely is then sent once more on a new one.
net::Task<Result<ResponseHead>> ProxyConnection::State::exchange_heads(Passage& passage) {
  const bool repeatable =
      upstream && upstream->used && (passage.original.method == "GET" || passage.original.method == "HEAD");
  for (int attempt = 0;; ++attempt) {
    auto opened = co_await open_upstream();
    if (!opened) co_return std::unexpected<Error>(std::move(opened).error());
    auto sent = co_await send_head(passage);
    auto head = sent ? co_await read_final_head(passage) : std::unexpected<Error>(std::move(sent).error());
    passage.body_sent = true;
    if (head || attempt > 0 || !repeatable || passage.response_begun || head.error().code != Errc::unavailable ||
        is_cut) {
      co_return head;
    }
    drop_upstream();
  }
}

net::Task<bool> ProxyConnection::State::forward(Passage& passage) {
  if (reader.body_is_done()) {
    auto head = co_await exchange_heads(passage);
    co_return co_await pass_or_refuse(passage, std::move(head));
  }
  auto sent = co_await open_upstream();
  if (sent) sent = co_await send_head(passage);
  if (!sent) co_return co_await pass_or_refuse(passage, std::unexpected<Error>(std::move(sent).error()));
  co_await net::join(receive(passage), send_body_to_its_end(passage));
  co_return passage.keep_user&& passage.body_sent;
}

net::Task<void> ProxyConnection::State::receive(Passage& passage) {
  auto head = co_await read_final_head(passage);
  passage.keep_user = co_await pass_or_refuse(passage, std::move(head));
  auto body = co_await passage.body_ended.wait(options.rest_of_body);
  if (body) co_return;
  auto told = co_await user->shutdown_write(options.rest_of_body);
  if (!told) log::debug("http.proxy_user_gone", {{"error", told.error()}});
  user->close();
  upstream->stream->close();
}

// Returns whether the user's connection goes on.
net::Task<bool> ProxyConnection::State::pass_or_refuse(Passage& passage, Result<ResponseHead> head) {
  if (is_cut) co_return false;
  if (head && head->response.status == 101 && !passage.wants_upgrade) {
    head = fail(Errc::malformed, "http proxy: the upstream upgrades what was not to be upgraded");
  }
  if (!head) {
    fail_with(head.error());
    if (upstream) upstream->reusable = false;
    co_return co_await answer(passage.original, passage.minor_version, gateway_refusal(head.error()),
                              passage.body_sent);
  }
  const auto status = head->response.status;
  auto passed = status == 101 ? co_await pass_upgrade(passage, *std::move(head))
                              : co_await pass_response(passage, *std::move(head));
  tell(passage.original, status);
  if (passed) co_return *passed;
  // The response is broken in the middle, and must look so.
  fail_with(std::move(passed).error());
  user->close();
  if (upstream) upstream->stream->close();
  co_return false;
}

net::Task<Result<bool>> ProxyConnection::State::pass_response(Passage& passage, ResponseHead head) {
  auto& up = *upstream;
  auto response = std::move(head.response);
  const auto told_length = up.reader.body_length();
  up.used = true;
  up.reusable = head.minor_version >= 1 && up.reader.framing() != Framing::until_close && passage.body_sent &&
                !response.headers.lists("Connection", "close");
  const bool bodiless = passage.original.method == "HEAD" || !may_have_body(response.status);
  auto framing = up.reader.framing();
  if (bodiless) {
    framing = told_length ? Framing::length : Framing::none;
  } else if (framing != Framing::length) {
    framing = passage.minor_version >= 1 ? Framing::chunked : Framing::until_close;
  }
  remove_hop_by_hop(response.headers);
  if (hooks.edit_response) hooks.edit_response(passage.original, response);
  set_framing(response.headers, framing, told_length);
  const bool keep_user = passage.minor_version >= 1 && passage.body_sent && !response.close &&
                         framing != Framing::until_close && !passage.original.headers.lists("Connection", "close");
  if (!keep_user) response.headers.set("Connection", "close");
  const auto bytes = encode_response_head(response, head.reason);
  CO_TRY_VOID(co_await user->write_all(bytes, kWriteLimit));
  if (!bodiless) CO_TRY_VOID(co_await pass_body(framing));
  co_return keep_user;
}

net::Task<Result<void>> ProxyConnection::State::pass_body(Framing framing) {
  while (true) {
    CO_TRY(const auto piece, co_await upstream->reader.read_piece(options.stream_idle));
    if (piece.empty()) break;
    totals.bytes_to_user += piece.size();
    const auto bytes = framing == Framing::chunked ? encode_chunk(piece) : piece;
    CO_TRY_VOID(co_await user->write_all(bytes, options.stream_idle));
  }
  if (framing == Framing::chunked) CO_TRY_VOID(co_await user->write_all(as_bytes(kLastChunk), options.stream_idle));
  co_return Result<void>{};
}

net::Task<Result<bool>> ProxyConnection::State::pass_upgrade(Passage& passage, ResponseHead head) {
  auto response = std::move(head.response);
  const auto protocol = std::string(response.headers.get("Upgrade"));
  remove_hop_by_hop(response.headers);
  if (hooks.edit_response) hooks.edit_response(passage.original, response);
  set_framing(response.headers, Framing::none, std::nullopt);
  response.headers.set("Connection", "Upgrade");
  response.headers.set("Upgrade", protocol);
  auto to_user = encode_response_head(response, head.reason);
  const auto first_to_user = upstream->reader.take_unread();
  const auto first_from_user = reader.take_unread();
  append(to_user, first_to_user);
  CO_TRY_VOID(co_await user->write_all(to_user, kWriteLimit));
  CO_TRY_VOID(co_await upstream->stream->write_all(first_from_user, kWriteLimit));
  auto copied = co_await net::copy_both_ways(*user, *upstream->stream, options.stream_idle);
  totals.bytes_from_user += first_from_user.size() + copied.left_to_right;
  totals.bytes_to_user += first_to_user.size() + copied.right_to_left;
  if (copied.error) fail_with(*std::move(copied.error));
  upstream->reusable = false;
  co_return false;
}

ProxyConnection::ProxyConnection(net::StreamPtr user, ProxyHooks hooks, ProxyOptions options)
    : state_(std::make_unique<State>(std::move(user), std::move(hooks), options)) {}
ProxyConnection::~ProxyConnection() = default;

net::Task<ProxyTotals> ProxyConnection::run() {
  while (!state_->is_cut && co_await state_->serve_one()) continue;
  state_->drop_upstream();
  if (!state_->is_cut) co_await linger_and_close(*state_->user);
  co_return state_->totals;
}

void ProxyConnection::cut() {
  state_->is_cut = true;
  state_->user->close();
  if (state_->upstream) state_->upstream->stream->close();
}

}  // namespace sallyport::http
