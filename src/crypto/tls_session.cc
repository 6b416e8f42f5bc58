#include <cerrno>
#include <cstring>

#include "crypto/detail/tls_alerts.h"
#include "crypto/detail/tls_context.h"

namespace sallyport::crypto {
namespace {

// RFC 8446 §6: an alert that we received is this offset plus its number, as a reason code (SSL_AD_REASON_OFFSET).
constexpr int kAlertReasons = 1000;

// SSL_get_error looks at errno and the error queue, so both must be clean before each call.
void prepare() {
  ERR_clear_error();
  errno = 0;
}

std::unexpected<Error> fault(std::optional<Error>& refusal, int outcome) {
  const int cause = errno;
  if (refusal) {
    ERR_clear_error();
    return std::unexpected<Error>(*refusal);
  }
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  if (outcome == SSL_ERROR_SYSCALL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    ERR_clear_error();
    return failf(Errc::unavailable, "tls: connection broken: {}",
                 cause != 0 ? std::strerror(cause) : "the peer closed without a word");
  }
  const bool refused =
      ERR_GET_LIB(code) == ERR_LIB_SSL && ((reason >= kAlertReasons && is_refusal_alert(reason - kAlertReasons)) ||
                                           reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE);
  auto detail = take_openssl_error("tls: protocol fault");
  ERR_clear_error();
  return fail(refused ? Errc::unauthorized : Errc::malformed, std::move(detail));
}

// What an SSL call that returned 0 or less asks for; an error when it asks for nothing.
Result<TlsStep> after(SSL* ssl, int returned, std::optional<Error>& refusal, bool& broken) {
  switch (const int outcome = SSL_get_error(ssl, returned)) {
    case SSL_ERROR_WANT_READ:
      return TlsStep{.want = TlsWant::read};
    case SSL_ERROR_WANT_WRITE:
      return TlsStep{.want = TlsWant::write};
    case SSL_ERROR_ZERO_RETURN:
      return TlsStep{.end_of_stream = true};
    default:
      broken = true;
      return fault(refusal, outcome);
  }
}

}  // namespace

TlsSession::TlsSession(std::shared_ptr<TlsContext> context, int descriptor, std::string_view server_name)
    : state_(std::make_unique<State>()) {
  auto& shared = *context->state_;
  state_->context = std::move(context);
  state_->ssl.reset(SSL_new(shared.context.get()));
  SSL* ssl = state_->ssl.get();
  SALLYPORT_CHECK(ssl != nullptr);
  SSL_set_app_data(ssl, state_.get());
  SALLYPORT_CHECK(SSL_set_fd(ssl, descriptor) == 1);
  if (shared.is_server) {
    SSL_set_accept_state(ssl);
    return;
  }
  SSL_set_connect_state(ssl);
  state_->server_name = server_name;
  if (server_name.empty()) return;
  if (SSL_set_tlsext_host_name(ssl, state_->server_name.c_str()) != 1) {
    state_->refusal = Error{Errc::malformed, "tls client: not a server name"};
    return;
  }
  if (shared.client.resumption) state_->remembered_chain = shared.client.resumption->server_chain;
  const std::lock_guard lock(shared.sessions_mutex);
  auto found = shared.sessions.find(server_name);
  if (found == shared.sessions.end()) return;
  // RFC 8446 §C.4: a ticket is used once.
  if (SSL_set_session(ssl, found->second.session.get()) == 1) {
    state_->remembered_chain = std::move(found->second.chain);
  }
  shared.sessions.erase(found);
}

// OpenSSL makes a session that is freed without a shutdown non-resumable, and with it the ticket that we remember.
TlsSession::~TlsSession() {
  if (state_ && state_->ssl && state_->established && !state_->broken) {
    SSL_set_shutdown(state_->ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
}

TlsSession::TlsSession(TlsSession&&) noexcept = default;

TlsSession& TlsSession::operator=(TlsSession&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Result<TlsStep> TlsSession::handshake() {
  if (state_->established) return TlsStep{};
  if (state_->broken || state_->refusal) {
    return std::unexpected<Error>(state_->refusal.value_or(Error{Errc::unavailable, "tls: the handshake has failed"}));
  }
  prepare();
  SSL* ssl = state_->ssl.get();
  if (state_->keeps_secrets) TlsCallbacks::begin_keeping_secrets(*state_);
  const int done = SSL_do_handshake(ssl);
  if (state_->keeps_secrets) SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), nullptr);
  if (done != 1) {
    TRY(auto step, after(ssl, done, state_->refusal, state_->broken));
    if (step.end_of_stream) return fail(Errc::unavailable, "tls: the peer closed during the handshake");
    return step;
  }
  if (SSL_session_reused(ssl) == 1 && SSL_is_server(ssl) == 0) {
    auto verified = TlsCallbacks::ask_verifier(TlsCallbacks::context_of(*state_), state_->remembered_chain);
    if (!verified) {
      state_->broken = true;
      state_->refusal = verified.error();
      return std::unexpected<Error>(std::move(verified).error());
    }
    state_->chain = state_->remembered_chain;
  }
  state_->established = true;
  return TlsStep{};
}

Result<TlsStep> TlsSession::read(std::span<std::uint8_t> into) {
  if (state_->record_io) return state_->record_io->read(into);
  if (!state_->established || state_->broken) return fail(Errc::unavailable, "tls: not connected");
  prepare();
  state_->use();
  std::size_t count = 0;
  const int done = SSL_read_ex(state_->ssl.get(), into.data(), into.size(), &count);
  if (state_->key_updates > kMaxKeyUpdates) {
    state_->broken = true;
    ERR_clear_error();
    return failf(Errc::overloaded, "tls: the peer updates its keys more than {} times", kMaxKeyUpdates);
  }
  if (done == 1) return TlsStep{.bytes = count};
  return after(state_->ssl.get(), done, state_->refusal, state_->broken);
}

bool TlsSession::has_pending() const {
  if (state_->record_io) return state_->record_io->has_pending();
  return SSL_has_pending(state_->ssl.get()) == 1;
}

Result<TlsStep> TlsSession::write(ByteView from) {
  if (state_->record_io) return state_->record_io->write(from);
  if (!state_->established || state_->broken) return fail(Errc::unavailable, "tls: not connected");
  if (state_->write_closed) return fail(Errc::unavailable, "tls: our direction is closed");
  if (from.empty()) return TlsStep{};
  prepare();
  state_->use();
  std::size_t count = 0;
  const int done = SSL_write_ex(state_->ssl.get(), from.data(), from.size(), &count);
  if (done == 1) return TlsStep{.bytes = count};
  TRY(auto step, after(state_->ssl.get(), done, state_->refusal, state_->broken));
  if (step.end_of_stream) return fail(Errc::unavailable, "tls: the peer has closed");
  return step;
}

Result<TlsStep> TlsSession::shutdown() {
  if (state_->record_io) return state_->record_io->shutdown();
  if (!state_->established || state_->broken) return TlsStep{};
  state_->write_closed = true;
  state_->use();
  prepare();
  const int done = SSL_shutdown(state_->ssl.get());
  if (done >= 0) return TlsStep{};
  TRY(auto step, after(state_->ssl.get(), done, state_->refusal, state_->broken));
  // What the peer still sends is its own matter: our close_notify is out.
  if (step.want == TlsWant::read) return TlsStep{};
  return step;
}

std::vector<Bytes> TlsSession::take_peer_chain() {
  return std::exchange(state_->chain, {});
}

std::string_view TlsSession::alpn() const {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  if (!state_->ssl) return {};
  SSL_get0_alpn_selected(state_->ssl.get(), &name, &length);
  return as_text(ByteView(name, length));
}

std::string_view TlsSession::server_name() const {
  return state_->server_name;
}

bool TlsSession::resumed() const {
  return state_->ssl && SSL_session_reused(state_->ssl.get()) == 1;
}

ByteView TlsSession::psk_identity() const {
  return resumed() ? ByteView(state_->psk_identity) : ByteView();
}

bool TlsSession::showed_leaf_alone() const {
  return state_->showed_leaf_alone;
}

Bytes TlsSession::stapled_ocsp() const {
  if (!state_->ssl) return {};
  const unsigned char* answer = nullptr;
  const long length = SSL_get_tlsext_status_ocsp_resp(state_->ssl.get(), &answer);
  if (answer == nullptr || length <= 0 || static_cast<std::size_t>(length) > kMaxStapledOcsp) return {};
  return Bytes(answer, answer + length);
}

Result<Bytes> TlsSession::export_keying_material(std::string_view label, std::size_t length) const {
  if (!state_->established) return fail(Errc::unavailable, "tls: not connected");
  if (state_->record_io) return state_->record_io->export_keying_material(label, length);
  const ErrorQueueGuard guard;
  Bytes out(length);
  if (SSL_export_keying_material(state_->ssl.get(), out.data(), out.size(), label.data(), label.size(), nullptr, 0,
                                 0) != 1) {
    return fail(Errc::internal, take_openssl_error("tls: no keying material"));
  }
  return out;
}

void TlsSession::forget_handshake() {
  if (!state_->secrets || !state_->established || state_->broken) return;
  SSL* ssl = state_->ssl.get();
  // Without read-ahead (SSL_CTX_set_read_ahead) OpenSSL takes no byte of what comes after the handshake.
  SALLYPORT_CHECK(SSL_version(ssl) == TLS1_3_VERSION && SSL_has_pending(ssl) == 0 && SSL_get_num_tickets(ssl) == 0);
  const auto suite = static_cast<std::uint16_t>(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)));
  // RFC 6066 §4: 1 to 4 stand for 2^9 to 2^12.
  const unsigned fragment = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl));
  const std::size_t plaintext = fragment == 0 ? kMaxTlsPlaintext : std::size_t{256} << fragment;
  auto records = TlsRecords::begin(suite, std::move(*state_->secrets), {.plaintext = plaintext});
  state_->secrets.reset();
  if (!records) return;
  state_->record_io = std::make_unique<TlsRecordIo>(*std::move(records), SSL_get_fd(ssl));
  state_->ssl.reset();
  std::vector<Bytes>().swap(state_->chain);
  Bytes().swap(state_->psk_identity);
}

}  // namespace sallyport::crypto
