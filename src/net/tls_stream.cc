#include "net/tls_stream.h"

#include "net/detail/readiness.h"
#include "net/run.h"

namespace sallyport::net {
namespace {

class TlsStream final : public Stream {
 public:
  TlsStream(std::unique_ptr<Readiness> socket, PeerInfo peer, std::shared_ptr<crypto::TlsContext> context,
            std::string_view server_name)
      : readiness_(std::move(socket)),
        session_(std::move(context), readiness_->get(), server_name),
        peer_(std::move(peer)) {}

  Task<Result<void>> handshake(Deadline deadline) {
    while (readiness_->is_open()) {
      CO_TRY(const auto step, session_.handshake());
      if (step.want == crypto::TlsWant::nothing) {
        peer_.tls = true;
        peer_.tls_chain = session_.take_peer_chain();
        peer_.alpn = session_.alpn();
        peer_.server_name = session_.server_name();
        co_return Result<void>{};
      }
      CO_TRY_VOID(co_await wait(step.want, deadline));
    }
    co_return fail(Errc::unavailable, "tls: closed");
  }

  Task<Result<std::size_t>> read_some(std::span<std::uint8_t> into, Deadline deadline) override {
    SALLYPORT_CHECK(!into.empty());
    while (readiness_->is_open()) {
      CO_TRY(const auto step, session_.read(into));
      if (step.end_of_stream) co_return std::size_t{0};
      if (step.want == crypto::TlsWant::nothing) {
        if (readiness_->turn_is_over()) co_await yield();
        co_return step.bytes;
      }
      CO_TRY_VOID(co_await wait(step.want, deadline));
    }
    co_return fail(Errc::unavailable, "tls: closed");
  }

  Task<Result<void>> wait_readable(Deadline deadline) override {
    if (!readiness_->is_open()) co_return fail(Errc::unavailable, "tls: closed");
    if (session_.has_pending()) co_return Result<void>{};
    co_return co_await readiness_->wait(Direction::read, deadline);
  }

  Task<Result<void>> write_all(ByteView from, Deadline deadline) override {
    while (readiness_->is_open()) {
      if (from.empty()) {
        if (readiness_->turn_is_over()) co_await yield();
        co_return Result<void>{};
      }
      CO_TRY(const auto step, session_.write(from));
      from = from.subspan(step.bytes);
      if (step.want != crypto::TlsWant::nothing) CO_TRY_VOID(co_await wait(step.want, deadline));
    }
    co_return fail(Errc::unavailable, "tls: closed");
  }

  Task<Result<void>> shutdown_write(Deadline deadline) override {
    while (readiness_->is_open()) {
      CO_TRY(const auto step, session_.shutdown());
      if (step.want == crypto::TlsWant::nothing) co_return Result<void>{};
      CO_TRY_VOID(co_await wait(step.want, deadline));
    }
    co_return fail(Errc::unavailable, "tls: closed");
  }

  void close() override { readiness_->close(); }
  Result<Descriptor> release() override { return fail(Errc::conflict, "tls: the descriptor alone is not the stream"); }
  int native() const override { return readiness_->get(); }
  const PeerInfo& peer() const override { return peer_; }
  Executor executor() const override { return readiness_->executor(); }
  const crypto::TlsSession& session() const { return session_; }
  void forget_handshake() {
    std::vector<Bytes>().swap(peer_.tls_chain);
    session_.forget_handshake();
  }

 private:
  Task<Result<void>> wait(crypto::TlsWant want, Deadline deadline) {
    return readiness_->wait(want == crypto::TlsWant::read ? Direction::read : Direction::write, deadline);
  }

  std::unique_ptr<Readiness> readiness_;
  crypto::TlsSession session_;
  PeerInfo peer_;
};

Task<Result<StreamPtr>> shake_hands(std::unique_ptr<Readiness> socket, PeerInfo peer,
                                    std::shared_ptr<crypto::TlsContext> context, std::string server_name,
                                    Deadline deadline) {
  auto stream = std::make_unique<TlsStream>(std::move(socket), std::move(peer), std::move(context), server_name);
  CO_TRY_VOID(co_await stream->handshake(deadline));
  co_return StreamPtr(std::move(stream));
}

Task<Result<StreamPtr>> open(StreamPtr lower, std::shared_ptr<crypto::TlsContext> context, std::string server_name,
                             Deadline deadline) {
  auto executor = lower->executor();
  auto peer = lower->peer();
  auto socket = lower->release();
  if (!socket) co_return std::unexpected<Error>(std::move(socket).error().at("tls"));
  auto readiness = std::make_unique<Readiness>(std::move(executor), *std::move(socket));
  co_return co_await shake_hands(std::move(readiness), std::move(peer), std::move(context), std::move(server_name),
                                 deadline);
}

}  // namespace

Task<Result<StreamPtr>> tls_connect(StreamPtr lower, std::shared_ptr<crypto::TlsContext> context,
                                    std::string server_name, Deadline deadline) {
  return open(std::move(lower), std::move(context), std::move(server_name), deadline);
}

Task<Result<StreamPtr>> tls_accept(StreamPtr lower, std::shared_ptr<crypto::TlsContext> context, Deadline deadline) {
  return open(std::move(lower), std::move(context), {}, deadline);
}

Task<Result<StreamPtr>> tls_accept(std::unique_ptr<RawSocket> lower, std::shared_ptr<crypto::TlsContext> context,
                                   Deadline deadline) {
  PeerInfo peer;
  peer.address = lower->peer();
  return shake_hands(RawSocket::dissolve(std::move(lower)), std::move(peer), std::move(context), {}, deadline);
}

void forget_handshake(Stream& stream) {
  if (auto* tls = dynamic_cast<TlsStream*>(&stream)) tls->forget_handshake();
}

Result<Bytes> export_keying_material(const Stream& stream, std::string_view label, std::size_t length) {
  const auto* tls = dynamic_cast<const TlsStream*>(&stream);
  if (tls == nullptr) return fail(Errc::conflict, "keying material: not a TLS stream");
  return tls->session().export_keying_material(label, length);
}

Result<Bytes> stapled_ocsp(const Stream& stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&stream);
  if (tls == nullptr) return fail(Errc::conflict, "stapled OCSP: not a TLS stream");
  return tls->session().stapled_ocsp();
}

bool is_resumed(const Stream& stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&stream);
  return tls != nullptr && tls->session().resumed();
}

bool showed_leaf_alone(const Stream& stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&stream);
  return tls != nullptr && tls->session().showed_leaf_alone();
}

ByteView psk_identity(const Stream& stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&stream);
  return tls == nullptr ? ByteView() : tls->session().psk_identity();
}

}  // namespace sallyport::net
