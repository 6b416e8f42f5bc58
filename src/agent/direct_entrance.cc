#include "agent/direct_entrance.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "agent/gate_pages.h"
#include "base/log.h"
#include "codec/text.h"
#include "http/proxy.h"
#include "net/tls_stream.h"
#include "tunnel/limits.h"

namespace sallyport::agent {

using tunnel::RefuseCode;
using tunnel::ServiceKind;

namespace {

bool has_gone(const net::RawSocket& socket) {
  pollfd look{.fd = socket.native(), .events = POLLRDHUP, .revents = 0};
  return ::poll(&look, 1, 0) != 0;
}

constexpr std::size_t kDirectFirstPeek = 1'024;
constexpr milliseconds kAnswerLimit{5'000};

tunnel::Source source_of(const net::Address& address) {
  const auto ip = net::find_ip_octets(address.host);
  return tunnel::source_of(ip ? ByteView(ip->octets).first(ip->size) : ByteView());
}

// That it has the key of what it shows is proven by TLS, and whose key that is by the grant, which comes next.
Result<void> has_a_key(std::span<const Bytes> chain) {
  if (chain.empty()) return fail(Errc::unauthorized, "user: showed no client key");
  TRY_VOID(pki::parse_certificate(chain.front()));
  return {};
}

net::Task<Result<tunnel::DirectAsk>> read_ask(net::Stream& user, net::Deadline deadline) {
  std::array<std::uint8_t, tunnel::kDirectHeadSize> start{};
  CO_TRY_VOID(co_await net::read_exactly(user, start, deadline));
  CO_TRY(const auto head, tunnel::parse_direct_head(start));
  tunnel::DirectAsk ask{.purpose = head.purpose, .sealed_grant = Bytes(head.grant_size)};
  CO_TRY_VOID(co_await net::read_exactly(user, ask.sealed_grant, deadline));
  co_return std::move(ask);
}

net::Task<Result<void>> answer(net::Stream& user, std::optional<RefuseCode> refused) {
  const Bytes word = {tunnel::encode_direct_answer(refused)};
  co_return co_await user.write_all(word, kAnswerLimit);
}

net::Task<void> take_leave(net::StreamPtr user) {
  static_cast<void>(co_await user->shutdown_write(kAnswerLimit));
  user->close();
}

net::Task<Result<net::StreamPtr>> no_upstream() {
  co_return fail(Errc::not_found, "direct access: nobody has entered");
}

void log_connected(const DataConnections::Admitted& admitted) {
  log::info("agent.user-connected", {{"service", admitted.grant.service.get()},
                                     {"session", codec::encode_hex(admitted.grant.session().get())},
                                     {"user", admitted.grant.user_id},
                                     {"from", admitted.client_address},
                                     {"direct", true}});
}

http::Response not_open() {
  return to_response(tunnel::GateRefusal{.status = 403, .fault = tunnel::GateFault::no_grant});
}

}  // namespace

class DirectEntrance::Shaking {
 public:
  Shaking(std::shared_ptr<tunnel::ConnectionCaps> handshakes, const tunnel::Source& source)
      : handshakes_(std::move(handshakes)), source_(source) {}
  Shaking(const Shaking&) = delete;
  Shaking& operator=(const Shaking&) = delete;
  ~Shaking() { handshakes_->leave(source_); }

 private:
  std::shared_ptr<tunnel::ConnectionCaps> handshakes_;
  tunnel::Source source_;
};

struct DirectEntrance::Guest {
  Guest(std::shared_ptr<tunnel::ConnectionCaps> counted_in, const tunnel::Source& from)
      : caps(std::move(counted_in)), source(from) {}
  ~Guest() {
    if (session) caps->leave_name(source, *session);
    if (!is_known) caps->leave(source);
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // Counts as one of the session too from now on. False where those are too many.
  bool enter(const DnsName& host) {
    if (!caps->enter_name(source, host)) return false;
    session = host;
    return true;
  }
  void become_known() {
    if (!std::exchange(is_known, true)) caps->leave(source);
  }

  std::shared_ptr<tunnel::ConnectionCaps> caps;
  tunnel::Source source;
  std::optional<DnsName> session;
  bool is_known = false;
};

DirectEntrance::DirectEntrance(net::TaskGroup& tasks, const DeviceTime& time, RemoteAccess& access,
                               DataConnections& data, DataConnections::WebIdentity web_identity, std::uint16_t port,
                               DirectLimits limits)
    : tasks_(tasks),
      time_(time),
      access_(access),
      data_(data),
      web_identity_(std::move(web_identity)),
      port_(port),
      limits_(limits),
      caps_(std::make_shared<tunnel::ConnectionCaps>(limits.caps)),
      proven_caps_(std::make_shared<tunnel::ConnectionCaps>(limits.caps)),
      handshakes_(std::make_shared<tunnel::ConnectionCaps>(
          tunnel::ConnectionCapLimits{.total = limits.handshakes, .per_source = limits.handshakes_per_source})),
      begun_(time.monotonic()),
      one_over_(tasks.executor()),
      signatures_(limits.burst, limits.per_second) {}

DirectEntrance::~DirectEntrance() = default;

net::Task<void> DirectEntrance::accept_from(net::Listener& listener) {
  if (port_ == 0) port_ = listener.address().port;
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    begin(*std::move(stream));
  }
}

void DirectEntrance::begin(net::StreamPtr stream) {
  const net::Address from = stream->peer().address;
  const tunnel::Source source = source_of(from);
  const auto& caps = is_proven(source) ? proven_caps_ : caps_;
  if (!caps->enter(source)) return net::reset(*stream);
  auto guest = std::make_unique<Guest>(caps, source);
  auto socket = stream->release();
  if (!socket) return;
  tasks_.spawn(receive(std::make_unique<net::RawSocket>(tasks_.executor(), *std::move(socket), from), std::move(guest)),
               "agent.direct");
}

net::Task<std::expected<tunnel::ClientHello, Bytes>> DirectEntrance::look(net::RawSocket& socket) const {
  const net::Deadline deadline(limits_.first_flight);
  // Nothing is allocated for a connection that says nothing.
  if (!co_await socket.until_readable(deadline)) co_return std::unexpected(Bytes());
  Bytes buffer;
  for (std::size_t wanted = 1; wanted <= tunnel::kMaxHelloHybrid;) {
    buffer.resize(std::max(wanted, kDirectFirstPeek));
    const auto got = co_await socket.peek(buffer, wanted, deadline);
    if (!got) co_return std::unexpected(Bytes());
    auto outcome = tunnel::parse_client_hello(ByteView(buffer).first(*got));
    if (auto* hello = std::get_if<tunnel::ClientHello>(&outcome)) co_return std::move(*hello);
    if (const auto* refused = std::get_if<tunnel::HelloRefused>(&outcome))
      co_return std::unexpected(tunnel::encode_alert(tunnel::alert_for(refused->fault)));
    wanted = std::max(std::get<tunnel::HelloNeedsMore>(outcome).total, *got + 1);
  }
  co_return std::unexpected(Bytes());
}

// That a session lives is no reason to let somebody pass who has seen its label.
net::Task<std::optional<DirectEntrance::ShakingPtr>> DirectEntrance::wait_for_turn(const net::RawSocket& socket,
                                                                                   DnsName host,
                                                                                   tunnel::Source source) {
  const net::Deadline deadline(limits_.turn);
  while (!is_proven(source, host)) {
    if (handshakes_->enter(source)) {
      auto shaking = std::make_unique<Shaking>(handshakes_, source);
      if (!has_gone(socket) && signatures_.take(time_.monotonic())) co_return shaking;
      shaking.reset();
      one_over_.set();
      co_return std::nullopt;
    }
    one_over_.clear();
    if (!co_await one_over_.wait(deadline)) co_return std::nullopt;
  }
  co_return ShakingPtr();
}

bool DirectEntrance::is_proven(const tunnel::Source& source, const DnsName& host) const {
  const auto found = proven_.find(source);
  return found != proven_.end() && found->second.contains(host) && access_.grants().find(host, access_.now());
}

bool DirectEntrance::is_proven(const tunnel::Source& source) const {
  const auto found = proven_.find(source);
  return found != proven_.end() &&
         std::ranges::any_of(found->second, [&](const DnsName& host) { return is_proven(source, host); });
}

void DirectEntrance::note_proven(const tunnel::Source& source, const DnsName& host) {
  if (is_proven(source, host)) return;
  for (auto& [from, hosts] : proven_)
    std::erase_if(hosts, [&](const DnsName& each) { return !access_.grants().find(each, access_.now()); });
  std::erase_if(proven_, [](const auto& each) { return each.second.empty(); });
  if (proven_.size() < kMaxDirectProven) proven_[source].insert(host);
}

bool DirectEntrance::is_from_before(const tunnel::AccessGrant& grant) const {
  return grant.issued < access_.now() - std::chrono::duration_cast<seconds>(time_.monotonic() - begun_);
}

Result<void> DirectEntrance::make_contexts() {
  auto identity = web_identity_();
  if (!identity) return fail(Errc::unavailable, "user: no web certificate to show");
  if (for_callers_ && shown_ == identity->chain.front()) return {};
  crypto::TlsServerSettings browsers;
  browsers.identity = *identity;
  browsers.alpn = {"http/1.1"};
  crypto::TlsServerSettings callers;
  callers.identity = *identity;
  callers.alpn = {std::string(tunnel::kDirectAlpn)};
  callers.require_alpn = true;
  callers.client_auth = crypto::ClientAuth::required;
  callers.verify_client = has_a_key;
  TRY(for_browsers_, crypto::TlsContext::server(std::move(browsers)));
  TRY(for_callers_, crypto::TlsContext::server(std::move(callers)));
  shown_ = std::move(identity->chain.front());
  return {};
}

net::Task<void> DirectEntrance::receive(std::unique_ptr<net::RawSocket> socket, GuestPtr guest) {
  const auto hello = co_await look(*socket);
  if (!hello) co_return hello.error().empty() ? socket->reset() : socket->end_with(hello.error());
  const DnsName host = hello->server_name;
  if (!tunnel::find_label(host, access_.grants().device(), access_.grants().zone()))
    co_return socket->end_with(tunnel::encode_alert(tunnel::Alert::unrecognized_name));
  auto shaking = co_await wait_for_turn(*socket, host, guest->source);
  if (!shaking) co_return socket->reset();
  if (const auto made = make_contexts(); !made) {
    note_refused(socket->peer(), made.error());
    co_return socket->end_with(tunnel::encode_alert(tunnel::Alert::internal_error));
  }
  const bool is_caller = hello->offers(tunnel::kDirectAlpn);
  const net::Address from = socket->peer();
  auto user = co_await net::tls_accept(std::move(socket), is_caller ? for_callers_ : for_browsers_, limits_.handshake);
  shaking->reset();
  one_over_.set();
  if (!user) co_return note_refused(from, user.error());
  if ((*user)->peer().server_name != host.get()) co_return (*user)->close();
  if (is_caller) {
    co_await serve_caller(*std::move(user), host, std::move(guest));
  } else {
    co_await serve_browser(*std::move(user), host, std::move(guest));
  }
}

void DirectEntrance::note_refused(const net::Address& from, const Error& error) {
  const auto left_out = refusals_.take(from.host, time_.monotonic());
  if (left_out)
    log::info("agent.direct-refused", {{"from", net::to_string(from)}, {"error", error}, {"left_out", *left_out}});
}

// Decided when its first request comes: browsers open connections ahead, and this one may be older than the session.
net::Task<void> DirectEntrance::serve_browser(net::StreamPtr user, DnsName host, GuestPtr guest) {
  if (!co_await user->wait_readable(limits_.first_word)) co_return user->close();
  auto grant = data_.find_permitted(host);
  if (grant && data_.kind_of(grant->service) == ServiceKind::http) {
    co_await serve_session(std::move(user), *std::move(grant), std::move(guest));
  } else {
    co_await take_entry(std::move(user), tunnel::Door(host, port_));
  }
}

net::Task<void> DirectEntrance::serve_session(net::StreamPtr user, tunnel::AccessGrant grant, GuestPtr guest) {
  const DnsName host = tunnel::grant_host(grant, access_.grants().zone());
  if (!guest->enter(host)) co_return net::reset(*user);
  DataConnections::Admitted admitted{
      .grant = std::move(grant), .client_address = net::to_string(user->peer().address), .port = port_};
  // Whoever knows the label comes as far as this: it is the first cookie that tells whose connection it is.
  admitted.on_proven = [this, &guest, &host, shown = admitted] {
    guest->become_known();
    note_proven(guest->source, host);
    log_connected(shown);
  };
  co_await data_.serve_inside(std::move(user), std::move(admitted));
}

// One request: the form that enters, or what is refused.
net::Task<void> DirectEntrance::take_entry(net::StreamPtr user, tunnel::Door door) {
  http::ProxyHooks hooks;
  hooks.decide = [this, door](http::Request head, net::PeerInfo peer) {
    return decide(door, std::move(head), std::move(peer));
  };
  hooks.connect_upstream = no_upstream;
  http::ProxyConnection connection(std::move(user), std::move(hooks),
                                   {.header_limit = limits_.first_word, .idle_limit = limits_.first_word});
  static_cast<void>(co_await connection.run());
}

net::Task<http::Decision> DirectEntrance::decide(tunnel::Door door, http::Request head, net::PeerInfo) {
  if (!data_.has_room()) co_return to_response(RefuseCode::busy);
  if (!tunnel::EntryGate::is_entry(to_gate(head))) co_return not_open();
  http::AnswerHere here;
  here.handler = [this, door](http::Request request, net::PeerInfo peer) {
    return enter(door, std::move(request), std::move(peer));
  };
  here.body_limit = tunnel::kMaxEntryBody;
  co_return here;
}

// The session's own connections come after it.
net::Task<http::Response> DirectEntrance::enter(tunnel::Door door, http::Request request, net::PeerInfo peer) {
  auto response = co_await judge_entry(std::move(door), std::move(request), std::move(peer));
  response.close = true;
  co_return response;
}

net::Task<http::Response> DirectEntrance::judge_entry(tunnel::Door door, http::Request request, net::PeerInfo peer) {
  auto form = tunnel::parse_entry_form(request.body);
  if (!form || form->sealed_grant.empty()) co_return not_open();
  auto grant = co_await take(std::move(form->sealed_grant), tunnel::DirectPurpose::open);
  if (!grant && grant.error().why) note_refused(peer.address, *grant.error().why);
  if (!grant) co_return to_response(grant.error().code);
  // Nobody is asked to consent to who would be refused anyway. A service of kind tls takes no proof of ours.
  const bool is_his = tunnel::grant_host(*grant, access_.grants().zone()) == door.server_name &&
                      data_.kind_of(grant->service) != ServiceKind::tls &&
                      equal_constant_time(crypto::sha256(form->secret.expose()), grant->proof_hash);
  if (!is_his) co_return not_open();
  const auto permitted = co_await data_.permit(*std::move(grant), net::to_string(peer.address));
  if (!permitted) co_return to_response(permitted.error());
  const auto decision = access_.gate().decide(door, to_gate(request), request.body, access_.now());
  if (const auto* refusal = std::get_if<tunnel::GateRefusal>(&decision)) co_return to_response(*refusal);
  const auto* page = std::get_if<tunnel::GateAnswer>(&decision);
  if (page == nullptr) co_return not_open();
  note_proven(source_of(peer.address), door.server_name);
  co_return to_response(*page);
}

net::Task<std::expected<tunnel::AccessGrant, DataConnections::Refusal>> DirectEntrance::take(
    Bytes sealed_grant, tunnel::DirectPurpose purpose) {
  auto grant = co_await data_.take(std::move(sealed_grant), purpose);
  if (!grant || !is_from_before(*grant)) co_return grant;
  Error why{Errc::expired, "direct access: a grant from before the agent began"};
  co_return std::unexpected(DataConnections::Refusal{RefuseCode::grant_expired, std::move(why)});
}

net::Task<std::expected<DataConnections::Admitted, RefuseCode>> DirectEntrance::judge_caller(tunnel::DirectAsk ask,
                                                                                             net::PeerInfo peer,
                                                                                             DnsName host) {
  auto grant = co_await take(std::move(ask.sealed_grant), ask.purpose);
  if (!grant) co_return std::unexpected(grant.error().code);
  const bool is_his = tunnel::grant_host(*grant, access_.grants().zone()) == host &&
                      data_.kind_of(grant->service) != ServiceKind::tls &&
                      check_client_key(peer.tls_chain, grant->proof_hash);
  if (!is_his) co_return std::unexpected(RefuseCode::grant_invalid);
  co_return co_await data_.permit(*std::move(grant), net::to_string(peer.address));
}

net::Task<void> DirectEntrance::serve_caller(net::StreamPtr user, DnsName host, GuestPtr guest) {
  auto ask = co_await read_ask(*user, limits_.first_word);
  if (!ask) {
    note_refused(user->peer().address, ask.error());
    co_return user->close();
  }
  const auto purpose = ask->purpose;
  auto admitted = co_await judge_caller(*std::move(ask), user->peer(), host);
  if (admitted) note_proven(guest->source, host);
  if (admitted && purpose == tunnel::DirectPurpose::open && !guest->enter(host))
    admitted = std::unexpected(RefuseCode::busy);
  const auto refused = admitted ? std::nullopt : std::optional(admitted.error());
  if (refused)
    note_refused(user->peer().address,
                 {.code = Errc::unauthorized, .detail = std::string(tunnel::to_string(*refused))});
  if (!co_await answer(*user, refused)) co_return user->close();
  if (refused || purpose == tunnel::DirectPurpose::renew) co_return co_await take_leave(std::move(user));
  guest->become_known();
  net::forget_handshake(*user);
  log_connected(*admitted);
  co_await data_.serve_inside(std::move(user), *std::move(admitted));
}

}  // namespace sallyport::agent
