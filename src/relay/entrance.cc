#include "relay/entrance.h"

#include <map>

#include "base/log.h"
#include "base/log_budget.h"
#include "net/tls_stream.h"
#include "relay/first_flight.h"
#include "relay/passing.h"
#include "relay/route.h"
#include "relay/unwrapping.h"
#include "tunnel/frames.h"

namespace sallyport::relay {

using tunnel::Alert;
using tunnel::ClientHello;
using tunnel::Source;
using tunnel::WorkerSlot;
using SocketPtr = std::unique_ptr<net::RawSocket>;

namespace {

Source source_of(const net::Address& address) {
  const auto ip = net::find_ip_octets(address.host);
  return tunnel::source_of(ip ? ByteView(ip->octets).first(ip->size) : ByteView());
}

void refuse(net::RawSocket& socket, Alert alert) {
  socket.end_with(tunnel::encode_alert(alert));
}

// What was around a connection that is judged now: null, or a WebSocket.
using Wrapping = std::shared_ptr<Unwrapping::Carried>;
using Unwrapped = Unwrapping::Unwrapped;

// Looks until the first bytes say what the connection wants.
net::Task<Result<FirstFlight>> look(net::RawSocket& socket, const Settings& settings) {
  const net::Deadline deadline(settings.first_flight);
  const OwnNames names{.zone = settings.zone, .console = settings.console_name, .port = settings.public_port};
  Bytes buffer;
  std::size_t wanted = 1;
  for (;;) {
    if (wanted > tunnel::kMaxHelloHybrid) co_return fail(Errc::overloaded, "first bytes: too many");
    // Nothing is allocated for a connection that says nothing.
    if (wanted == 1) CO_TRY_VOID(co_await socket.until_readable(deadline));
    buffer.resize(std::max(wanted, kFirstPeek));
    CO_TRY(const auto got, co_await socket.peek(buffer, wanted, deadline));
    auto flight = find_first_flight(ByteView(buffer).first(got), names);
    const auto* more = std::get_if<NeedMore>(&flight);
    if (more == nullptr) co_return flight;
    wanted = std::max(more->total, got + 1);
  }
}

}  // namespace

struct Entrance::State : std::enable_shared_from_this<State> {
  State(net::Executor on, Inside known)
      : executor(on), inside(known), caps(known.settings.caps), admission(known.settings.handshakes) {}

  net::Executor executor;
  Inside inside;
  tunnel::ConnectionCaps caps;
  tunnel::HandshakeAdmission admission;
  std::optional<crypto::TlsIdentity> identity;
  std::vector<Bytes> issuers;  // names
  std::shared_ptr<crypto::TlsContext> control;
  std::shared_ptr<crypto::TlsContext> data;
  std::map<std::string, std::unique_ptr<Passing>, std::less<>> passings;  // by path; one per role and worker
  std::unique_ptr<Passing> predecessor;  // while there is one that may know what this one does not
  std::unique_ptr<Passing> successor;    // once this one leaves
  log::Budget refusals;
  Unwrapping unwrapping;
  bool closed = false;

  Result<void> make_control();
  void begin(SocketPtr socket, Came came, Wrapping wrapping = nullptr);
  static net::Task<void> receive(std::shared_ptr<State> self, SocketPtr socket, Came came, Wrapping wrapping);
  static net::Task<Unwrapped> unwrap(std::shared_ptr<State> self, SocketPtr socket, ToUnwrap upgrade);
  static net::Task<void> take_tls(std::shared_ptr<State> self, SocketPtr socket, DeviceName device, bool is_control);
  static net::Task<Result<net::StreamPtr>> shake_hands(std::shared_ptr<State> self, SocketPtr socket,
                                                       std::shared_ptr<crypto::TlsContext> context);
  static net::Task<Result<void>> open_control(std::shared_ptr<State> self, SocketPtr socket, DeviceName device);
  Result<DeviceCertificate> identify(const net::Stream& stream);
  static net::Task<Result<void>> open_data(std::shared_ptr<State> self, SocketPtr socket);
  net::Task<void> bring(SocketPtr socket, ClientHello hello, Came came, Wrapping wrapping);
  void pass_to_role(std::string_view role, SocketPtr socket, const Wrapping& wrapping);
  static net::Task<void> bring_to_device(std::shared_ptr<State> self, SocketPtr socket, ToDevice route, Came came);
  void bring_data(SocketPtr socket, const tunnel::Ticket& ticket, Came came);
  bool pass_to_owner(SocketPtr& socket, WorkerSlot owner, Came came);
  void pass(std::string path, SocketPtr socket);
  bool pass_within_slot(SocketPtr& socket, Came came);
  bool belongs_here(const DeviceName& device, bool is_control) const;
  static net::Task<bool> comes_online(std::shared_ptr<State> self, DeviceName device);
  void note_refused(const std::string& source, const DeviceName& device, const Error& error);
};

Entrance::Entrance(net::Executor executor, Inside inside) : state_(std::make_shared<State>(executor, inside)) {}

Entrance::~Entrance() {
  close();
}

void Entrance::close() {
  state_->closed = true;
  state_->passings.clear();
  state_->predecessor.reset();
  state_->successor.reset();
}

std::size_t Entrance::unwrapped() const {
  return state_->unwrapping.carried();
}

std::size_t Entrance::unwrapped_for_devices() const {
  return state_->unwrapping.carried_for_devices();
}

std::size_t Entrance::strangers() const {
  return state_->caps.total();
}

Result<void> Entrance::use_identity(crypto::TlsIdentity identity) {
  crypto::TlsServerSettings data;
  data.identity = identity;
  data.alpn = {std::string(tunnel::kDataAlpn)};
  data.require_alpn = true;
  TRY(state_->data, crypto::TlsContext::server(std::move(data)));
  state_->identity = std::move(identity);
  return state_->make_control();
}

Result<void> Entrance::use_issuers(std::vector<Bytes> names) {
  if (names.size() > crypto::kMaxClientIssuers) names.resize(crypto::kMaxClientIssuers);
  if (names == state_->issuers) return {};
  state_->issuers = std::move(names);
  return state_->identity ? state_->make_control() : Result<void>();
}

Result<void> Entrance::State::make_control() {
  crypto::TlsServerSettings settings;
  settings.identity = *identity;
  settings.alpn = {std::string(tunnel::kControlAlpn)};
  settings.require_alpn = true;
  settings.client_auth = crypto::ClientAuth::required;
  settings.client_issuers = issuers;
  settings.reads_many_certificates = true;
  settings.forgets_handshakes = true;
  settings.verify_client = [check = &inside.check](std::span<const Bytes> chain) { return check->verify(chain); };
  settings.find_psk = [keys = &inside.resumption](ByteView name) -> std::optional<crypto::Psk> {
    auto resumption = keys->open(name);
    if (!resumption) return std::nullopt;
    return std::move(resumption->key);
  };
  TRY(control, crypto::TlsContext::server(std::move(settings)));
  return {};
}

net::Task<void> Entrance::accept_from(net::RawListener& listener) {
  const auto state = state_;
  for (;;) {
    auto socket = co_await listener.accept();
    if (!socket || state->closed) co_return;
    state->begin(*std::move(socket), Came::from_outside);
  }
}

void Entrance::take_passed(SocketPtr socket, Came came) {
  state_->begin(std::move(socket), came);
}

void Entrance::follow(net::StreamPtr predecessor) {
  const std::weak_ptr<State> state = state_;
  state_->predecessor = std::make_unique<Passing>(state_->executor, std::move(predecessor), [state] {
    if (const auto alive = state.lock()) alive->predecessor.reset();
  });
}

void Entrance::forget_predecessor() {
  state_->predecessor.reset();
}

void Entrance::leave() {
  const auto& settings = state_->inside.settings;
  state_->successor = std::make_unique<Passing>(state_->executor, worker_socket(settings, settings.slot), true);
}

void Entrance::State::begin(SocketPtr socket, Came came, Wrapping wrapping) {
  if (closed || !caps.enter(source_of(socket->peer()))) return socket->reset();
  net::spawn(executor, receive(shared_from_this(), std::move(socket), came, std::move(wrapping)), "relay.receive");
}

net::Task<void> Entrance::State::receive(std::shared_ptr<State> self, SocketPtr socket, Came came, Wrapping wrapping) {
  struct Counted {
    tunnel::ConnectionCaps& caps;
    Source source;
    Counted(tunnel::ConnectionCaps& in, Source who) : caps(in), source(who) {}
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { caps.leave(source); }
  };
  std::optional<Counted> counted(std::in_place, self->caps, source_of(socket->peer()));
  auto flight = co_await look(*socket, self->inside.settings);
  if (!flight || self->closed) {
    socket->reset();
  } else if (auto* hello = std::get_if<ClientHello>(&*flight)) {
    co_await self->bring(std::move(socket), std::move(*hello), came, std::move(wrapping));
  } else if (const auto* ticket = std::get_if<tunnel::Ticket>(&*flight)) {
    self->bring_data(std::move(socket), *ticket, came);
  } else if (std::holds_alternative<PlainStatus>(*flight)) {
    self->pass_to_role("status", std::move(socket), wrapping);
  } else if (auto* upgrade = std::get_if<ToUnwrap>(&*flight); upgrade != nullptr && wrapping) {
    socket->reset();  // not within another one
  } else if (upgrade != nullptr && self->successor) {
    self->successor->pass(std::move(socket));  // what is carried here would end with this process
  } else if (upgrade != nullptr) {
    auto unwrapped = co_await unwrap(self, std::move(socket), std::move(*upgrade));
    counted.reset();
    // What came out is judged, and counted, as if it had come without.
    if (unwrapped.socket) self->begin(std::move(unwrapped.socket), Came::from_outside, std::move(unwrapped.carried));
  } else if (const auto* answer = std::get_if<Answer>(&*flight)) {
    socket->end_with(answer->bytes);
  }
}

net::Task<Unwrapped> Entrance::State::unwrap(std::shared_ptr<State> self, SocketPtr socket, ToUnwrap upgrade) {
  const std::string host = socket->peer().host;
  auto unwrapped = co_await self->unwrapping.begin(std::move(socket), std::move(upgrade));
  if (unwrapped) co_return *std::move(unwrapped);
  if (const auto left_out = self->refusals.take(host, self->inside.clock.monotonic()))
    log::info("relay.web-socket-refused", {{"source", host}, {"error", unwrapped.error()}, {"left_out", *left_out}});
  co_return Unwrapped();
}

void Entrance::State::pass_to_role(std::string_view role, SocketPtr socket, const Wrapping& wrapping) {
  if (wrapping && !wrapping->goes_to_role()) return socket->reset();
  pass(role_socket(inside.settings, role), std::move(socket));
}

void Entrance::State::pass(std::string path, SocketPtr socket) {
  auto& passing = passings[path];
  if (!passing) passing = std::make_unique<Passing>(executor, std::move(path));
  passing->pass(std::move(socket));
}

// Whether the connection is another worker's and was dealt with.
bool Entrance::State::pass_to_owner(SocketPtr& socket, WorkerSlot owner, Came came) {
  if (owner == inside.settings.slot) return false;
  if (came != Came::from_outside || owner.get() >= inside.settings.workers) {
    socket->reset();
  } else {
    pass(worker_socket(inside.settings, owner), std::move(socket));
  }
  return true;
}

// Whether the connection, of which this process knows nothing, is now with the other one of its slot.
bool Entrance::State::pass_within_slot(SocketPtr& socket, Came came) {
  if (successor) {
    successor->pass(std::move(socket));
  } else if (predecessor && came != Came::passed_back) {
    predecessor->pass(std::move(socket));
  } else {
    return false;
  }
  return true;
}

// Whether a device that has left the process before this one arrives here.
net::Task<bool> Entrance::State::comes_online(std::shared_ptr<State> self, DeviceName device) {
  const net::Deadline deadline(kReturnedUserDeadline);
  while (!self->closed && !deadline.passed()) {
    if (self->inside.devices.find(device)) co_return true;
    co_await net::sleep_for(kSuccessionRound);
  }
  co_return false;
}

// A device begins anew with whoever has the slot now; its data connections go where its control connection is.
bool Entrance::State::belongs_here(const DeviceName& device, bool is_control) const {
  if (is_control) return successor == nullptr;
  return successor != nullptr || inside.devices.find(device).has_value();
}

net::Task<void> Entrance::State::bring(SocketPtr socket, ClientHello hello, Came came, Wrapping wrapping) {
  const Route route = find_route(hello.server_name, inside.settings.zone, inside.settings.console_name);
  if (const auto* role = std::get_if<ToRole>(&route)) {
    pass_to_role(role->role, std::move(socket), wrapping);
  } else if (const auto* to_device = std::get_if<ToDevice>(&route)) {
    co_await bring_to_device(shared_from_this(), std::move(socket), *to_device, came);
  } else if (const auto* to_control = std::get_if<ToControl>(&route)) {
    if (!inside.check.is_known(to_control->device)) {
      refuse(*socket, Alert::unrecognized_name);
    } else if (!hello.offers(tunnel::kControlAlpn) && !hello.offers(tunnel::kDataAlpn)) {
      refuse(*socket, Alert::no_application_protocol);
    } else if (!pass_to_owner(socket, owner_of(to_control->device, inside.settings.workers), came)) {
      const bool is_control = hello.offers(tunnel::kControlAlpn);
      if (!belongs_here(to_control->device, is_control) && pass_within_slot(socket, came)) co_return;
      co_await take_tls(shared_from_this(), std::move(socket), to_control->device, is_control);
    }
  } else {
    refuse(*socket, Alert::unrecognized_name);
  }
}

net::Task<void> Entrance::State::bring_to_device(std::shared_ptr<State> self, SocketPtr socket, ToDevice route,
                                                 Came came) {
  const Inside& inside = self->inside;
  const auto* grant = inside.grants.find(route.label, inside.clock.now());
  if (grant == nullptr || grant->grant.device != route.device) co_return refuse(*socket, Alert::unrecognized_name);
  if (self->pass_to_owner(socket, owner_of(route.device, inside.settings.workers), came)) co_return;
  if (!inside.devices.find(route.device)) {
    if (self->pass_within_slot(socket, came)) co_return;
    if (came == Came::passed_back) static_cast<void>(co_await comes_online(self, route.device));
    grant = self->closed ? nullptr : inside.grants.find(route.label, inside.clock.now());
    if (grant == nullptr) co_return refuse(*socket, Alert::unrecognized_name);
  }
  if (!inside.link.has_lease()) co_return refuse(*socket, Alert::internal_error);
  inside.visits.on_user(std::move(socket), *grant);
}

void Entrance::State::bring_data(SocketPtr socket, const tunnel::Ticket& ticket, Came came) {
  if (pass_to_owner(socket, ticket.slot(), came)) return;
  if (!inside.visits.expects(ticket) && pass_within_slot(socket, came)) return;
  if (!socket->take(tunnel::kPrefaceSize)) return socket->reset();
  inside.visits.on_data(std::move(socket), ticket);
}

// What is ended here: control connections, and data connections that need TLS around them.
net::Task<void> Entrance::State::take_tls(std::shared_ptr<State> self, SocketPtr socket, DeviceName device,
                                          bool is_control) {
  const Source source = source_of(socket->peer());
  const std::string host = socket->peer().host;
  const DnsName name = under(device.get(), self->inside.settings.zone);
  if (!self->inside.link.has_lease() || !self->control) co_return refuse(*socket, Alert::internal_error);
  if (!self->caps.enter_name(source, name)) co_return socket->reset();
  auto opened =
      is_control ? co_await open_control(self, std::move(socket), device) : co_await open_data(self, std::move(socket));
  self->caps.leave_name(source, name);
  if (!opened) self->note_refused(host, device, opened.error());
}

void Entrance::State::note_refused(const std::string& source, const DeviceName& device, const Error& error) {
  const auto left_out = refusals.take(source, inside.clock.monotonic());
  if (!left_out) return;
  log::info("relay.device-refused",
            {{"device", device.get()}, {"source", source}, {"error", error}, {"left_out", *left_out}});
}

// Admission around a handshake.
net::Task<Result<net::StreamPtr>> Entrance::State::shake_hands(std::shared_ptr<State> self, SocketPtr socket,
                                                               std::shared_ptr<crypto::TlsContext> context) {
  const Instant began = self->inside.clock.monotonic();
  if (!self->admission.begin(began)) co_return fail(Errc::overloaded, "control: too many handshakes under way");
  auto stream = co_await net::tls_accept(std::move(socket), std::move(context), kHandshakeDeadline);
  const Instant now = self->inside.clock.monotonic();
  if (stream) {
    self->admission.on_success(began, now);
  } else {
    self->admission.on_over(began, now);
  }
  co_return stream;
}

net::Task<Result<void>> Entrance::State::open_data(std::shared_ptr<State> self, SocketPtr socket) {
  CO_TRY(auto stream, co_await shake_hands(self, std::move(socket), self->data));
  std::array<std::uint8_t, tunnel::kPrefaceSize> preface;
  CO_TRY_VOID(co_await net::read_exactly(*stream, preface, self->inside.settings.first_flight));
  CO_TRY(const auto ticket, tunnel::parse_preface(preface));
  if (!ticket || self->closed) co_return fail(Errc::malformed, "data: no ticket");
  self->inside.visits.on_tls_data(std::move(stream), *ticket);
  co_return Result<void>{};
}

// Who has completed the handshake, with his certificate or with what was made of it in an earlier one.
Result<DeviceCertificate> Entrance::State::identify(const net::Stream& stream) {
  const ByteView resumed = net::psk_identity(stream);
  if (resumed.empty()) return inside.check.take_verified(stream.peer().tls_chain.front());
  TRY(auto resumption, inside.resumption.open(resumed));
  TRY_VOID(inside.check.recheck(resumption.certificate));
  return std::move(resumption.certificate);
}

net::Task<Result<void>> Entrance::State::open_control(std::shared_ptr<State> self, SocketPtr socket,
                                                      DeviceName device) {
  CO_TRY(auto stream, co_await shake_hands(self, std::move(socket), self->control));
  CO_TRY(auto certificate, self->identify(*stream));
  net::forget_handshake(*stream);
  if (certificate.name != device) co_return fail(Errc::unauthorized, "control: certificate is another device's");
  CO_TRY_VOID(co_await self->inside.check.confirm(certificate));
  if (self->closed || !self->inside.link.has_lease()) co_return fail(Errc::unavailable, "control: no lease");
  self->inside.devices.take(std::move(stream), std::move(certificate));
  co_return Result<void>{};
}

}  // namespace sallyport::relay
