#include "http/client.h"

#include <algorithm>
#include <utility>

#include "http/detail/message_reader.h"
#include "http/detail/message_writer.h"

namespace sallyport::http {

struct Client::State {
  State(net::StreamPtr opened, std::string name, ProxyForm form)
      : stream(std::move(opened)), reader(*stream), host(std::move(name)), proxy(std::move(form)) {}

  net::StreamPtr stream;
  MessageReader reader;
  std::string host;
  ProxyForm proxy;
  bool open = true;
};

Client::Client(net::StreamPtr stream, std::string host) : Client(std::move(stream), std::move(host), ProxyForm{}) {}
Client::Client(net::StreamPtr stream, std::string host, ProxyForm proxy)
    : state_(std::make_unique<State>(std::move(stream), std::move(host), std::move(proxy))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

bool Client::is_open() const {
  return state_->open;
}

void Client::close() {
  state_->open = false;
  state_->stream->close();
}

namespace {

// The head with one more line at its end.
SecretBytes with_line(Bytes head, ByteView line) {
  constexpr std::size_t kEndOfHead = 2;
  Bytes out;
  out.reserve(head.size() + line.size());
  append(out, ByteView(head).first(head.size() - kEndOfHead));
  append(out, line);
  append(out, ByteView(head).last(kEndOfHead));
  return SecretBytes(std::move(out));
}

constexpr unsigned kProxyLogin = 407;
constexpr std::size_t kMaxLoginPage = 256 * 1024;

// Sends a request's head and `body`, with a login where the proxy has asked for one.
net::Task<Result<void>> send_request(net::Stream& stream, const ProxyForm& proxy, const Request& request, ByteView body,
                                     net::Deadline deadline) {
  auto whole = encode_request_head(request);
  SecretBytes login;
  if (proxy.visitor) {
    CO_TRY(login, proxy.visitor->show(request.method, request.target));
  }
  if (login.empty()) {
    append(whole, body);
    co_return co_await stream.write_all(whole, deadline);
  }
  const SecretBytes head = with_line(std::move(whole), login.expose());
  CO_TRY_VOID(co_await stream.write_all(head.expose(), deadline));
  co_return co_await stream.write_all(body, deadline);
}

net::Task<Result<Response>> exchange(net::Stream& stream, MessageReader& reader, const ProxyForm& proxy,
                                     const Request& request, net::Deadline deadline, std::size_t body_limit) {
  bool keeps_body = request.headers.lists("Expect", "100-continue");
  CO_TRY_VOID(co_await send_request(stream, proxy, request, keeps_body ? ByteView() : request.body, deadline));
  while (true) {
    CO_TRY(auto head, co_await reader.read_response(request.method == "HEAD", deadline));
    if (head.response.status == 100 && std::exchange(keeps_body, false)) {
      CO_TRY_VOID(co_await stream.write_all(request.body, deadline));
    }
    if (head.response.status == 101) co_return fail(Errc::malformed, "http response: 101 that nobody asked for");
    if (head.response.status < 200) continue;
    auto response = std::move(head.response);
    // The page of a proxy that asks for a login is not what the limit is for.
    const bool is_page = response.status == kProxyLogin && proxy.visitor;
    CO_TRY(response.body, co_await reader.read_whole(std::max(body_limit, is_page ? kMaxLoginPage : 0), deadline));
    response.close = keeps_body || head.minor_version == 0 || reader.framing() == Framing::until_close ||
                     response.headers.lists("Connection", "close") ||
                     (proxy.visitor && response.headers.lists("Proxy-Connection", "close")) ||
                     request.headers.lists("Connection", "close");
    co_return response;
  }
}

}  // namespace

net::Task<Result<Response>> Client::send(Request request, net::Deadline deadline, std::size_t body_limit) {
  if (!state_->open) co_return fail(Errc::unavailable, "http client: the connection is closed");
  if (!request.headers.has("Host")) request.headers.set("Host", state_->host);
  const bool sends_body = !request.body.empty() || request.method == "POST" || request.method == "PUT";
  set_framing(request.headers, sends_body ? Framing::length : Framing::none, request.body.size());
  const ProxyForm& proxy = state_->proxy;
  request.target.insert(0, proxy.origin);
  for (unsigned requests = 1;; ++requests) {
    auto response = co_await exchange(*state_->stream, state_->reader, proxy, request, deadline, body_limit);
    if (!response || response->close) close();
    if (!response || !proxy.visitor) co_return response;
    if (response->status != kProxyLogin) {
      proxy.visitor->take_success();
      co_return response;
    }
    // What was asked for is learnt from a proxy that closes, too.
    const bool asks = proxy.visitor->take_challenges(response->headers.all("Proxy-Authenticate"), requests);
    if (!asks || !is_open()) co_return response;
  }
}

Request post(std::string target, std::string_view type, Bytes body) {
  Request request;
  request.method = "POST";
  request.target = std::move(target);
  request.headers.add("Content-Type", type);
  request.body = std::move(body);
  return request;
}

net::Task<Result<Bytes>> post_ocsp(Client& client, std::string target, Bytes request, net::Deadline deadline) {
  auto message = post(std::move(target), "application/ocsp-request", std::move(request));
  message.headers.add("Accept", "application/ocsp-response");
  CO_TRY(auto answer, co_await client.send(std::move(message), deadline, kMaxOcspAnswer));
  if (answer.status != 200) co_return failf(Errc::unavailable, "ocsp: status {}, want 200", answer.status);
  const auto type = answer.headers.get("Content-Type");
  if (!equal_ignoring_case(type.substr(0, type.find(';')), "application/ocsp-response")) {
    co_return fail(Errc::unavailable, "ocsp: the answer is no application/ocsp-response");
  }
  co_return std::move(answer.body);
}

}  // namespace sallyport::http
