#include "net/websocket_stream.h"

#include <algorithm>

#include "net/copy.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

// Silence is no reason to end what both sides hold open: what is inside has limits of its own.
constexpr milliseconds kWhileOpen = std::chrono::hours(24 * 365);

class WebSocketStream final : public Stream {
 public:
  // `random` is null for a server.
  WebSocketStream(StreamPtr lower, Bytes unread, Random* random)
      : lower_(std::move(lower)),
        unread_(std::move(unread)),
        random_(random),
        decoder_(random == nullptr ? WebSocketSide::client : WebSocketSide::server),
        written_(lower_->executor()) {}

  Task<Result<std::size_t>> read_some(std::span<std::uint8_t> into, Deadline deadline) override {
    SALLYPORT_CHECK(!into.empty());
    while (!decoder_.has_ended()) {
      if (decoder_.fault()) co_return std::unexpected(*decoder_.fault());
      CO_TRY(const std::size_t came, co_await take(into, deadline));
      if (came == 0) co_return fail(Errc::unavailable, "websocket: broken before its end");
      CO_TRY(const std::size_t count, decoder_.decode(into.first(came)));
      if (decoder_.has_ping()) CO_TRY_VOID(co_await answer_ping());
      if (count > 0) co_return count;
    }
    co_return std::size_t{0};
  }

  // A client speaks where nothing comes: gateways end what is silent.
  Task<Result<void>> wait_readable(Deadline deadline) override {
    while (unread_.empty() && !decoder_.has_ended() && !decoder_.fault()) {
      const auto ready = co_await lower_->wait_readable(is_client() ? earlier(deadline, kWebSocketPing) : deadline);
      if (ready || ready.error().code != Errc::expired || deadline.passed()) co_return ready;
      CO_TRY_VOID(co_await say(WebSocketOpcode::ping, {}));
    }
    co_return Result<void>{};
  }

  Task<Result<void>> write_all(ByteView from, Deadline deadline) override {
    while (!from.empty()) {
      const std::size_t size = std::min(from.size(), kWebSocketPiece);
      CO_TRY_VOID(co_await send(from.first(size), deadline));
      from = from.subspan(size);
    }
    co_return Result<void>{};
  }

  Task<Result<void>> shutdown_write(Deadline deadline) override { return send({}, deadline); }

  void close() override { lower_->close(); }
  Result<Descriptor> release() override {
    return fail(Errc::conflict, "websocket: the descriptor alone is not the stream");
  }
  int native() const override { return lower_->native(); }
  const PeerInfo& peer() const override { return lower_->peer(); }
  Executor executor() const override { return lower_->executor(); }

 private:
  Task<Result<std::size_t>> take(std::span<std::uint8_t> into, Deadline deadline) {
    if (unread_.empty()) co_return co_await lower_->read_some(into, deadline);
    const std::size_t size = std::min(unread_.size(), into.size());
    std::copy_n(unread_.begin(), size, into.begin());
    unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(size));
    if (unread_.empty()) Bytes().swap(unread_);
    co_return size;
  }

  std::optional<WebSocketMask> mask() {
    return random_ == nullptr ? std::nullopt : std::optional(random_->array<sizeof(WebSocketMask)>());
  }

  // One message; an empty one is the end. A ping that comes meanwhile is answered behind it.
  Task<Result<void>> send(ByteView payload, Deadline deadline) {
    while (is_writing_) CO_TRY_VOID(co_await written_.wait(deadline));
    Bytes frames;
    frames.reserve(payload.size() + kMaxWebSocketHeader);
    encode_web_socket_frame(WebSocketOpcode::binary, payload, mask(), frames);
    CO_TRY_VOID(co_await write(std::move(frames), deadline));
    if (decoder_.has_ping()) co_return co_await answer_ping();
    co_return Result<void>{};
  }

  Task<Result<void>> answer_ping() {
    // Whoever writes does it next.
    if (is_writing_) co_return Result<void>{};
    const Bytes payload = decoder_.take_ping().value_or(Bytes());
    co_return co_await say(WebSocketOpcode::pong, payload);
  }

  // Where somebody writes, the other side hears from us anyway.
  Task<Result<void>> say(WebSocketOpcode opcode, ByteView payload) {
    if (is_writing_) co_return Result<void>{};
    Bytes frame;
    encode_web_socket_frame(opcode, payload, mask(), frame);
    co_return co_await write(std::move(frame), kWebSocketSay);
  }

  Task<Result<void>> write(Bytes frames, Deadline deadline) {
    is_writing_ = true;
    written_.clear();
    auto written = co_await lower_->write_all(frames, deadline);
    is_writing_ = false;
    written_.set();
    co_return written;
  }

  bool is_client() const { return random_ != nullptr; }

  StreamPtr lower_;
  Bytes unread_;
  Random* random_;
  WebSocketDecoder decoder_;
  bool is_writing_ = false;  // by the writer, or by the reader who says something short
  Event written_;
};

}  // namespace

StreamPtr make_web_socket_client(StreamPtr lower, Bytes unread, Random& random) {
  return std::make_unique<WebSocketStream>(std::move(lower), std::move(unread), &random);
}

StreamPtr make_web_socket_server(StreamPtr lower, Bytes unread) {
  return std::make_unique<WebSocketStream>(std::move(lower), std::move(unread), nullptr);
}

Result<Descriptor> carry_web_socket(StreamPtr web_socket, std::shared_ptr<void> keeps) {
  CopyLimits limits(kWhileOpen, kWebSocketHalfClosedLimit);
  limits.gone = kWebSocketGoneLimit;
  return carry_by_socket(std::move(web_socket), limits, std::move(keeps));
}

}  // namespace sallyport::net
