#include "relay/unwrapping.h"

#include "net/copy.h"
#include "net/websocket_stream.h"
#include "relay/limits.h"

namespace sallyport::relay {
namespace {

// Silence is no reason to end what both sides hold open: the connection inside has limits of its own.
constexpr milliseconds kWhileOpen = std::chrono::hours(24 * 365);

class Counted {
 public:
  explicit Counted(std::shared_ptr<std::size_t> number) : number_(std::move(number)) { ++*number_; }
  ~Counted() { --*number_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::shared_ptr<std::size_t> number_;
};

}  // namespace

net::Task<Result<std::unique_ptr<net::RawSocket>>> Unwrapping::begin(std::unique_ptr<net::RawSocket> outside,
                                                                     ToUnwrap upgrade) {
  if (*carried_ >= kMaxWebSockets) {
    outside->reset();
    co_return failf(Errc::overloaded, "{} WebSockets are carried already", *carried_);
  }
  auto counted = std::make_shared<Counted>(carried_);
  const net::Executor executor = outside->executor();
  const net::Address peer = outside->peer();
  CO_TRY_VOID(outside->take(upgrade.request));
  CO_TRY(auto stream, net::adopt_socket(executor, outside->release()));
  CO_TRY_VOID(co_await stream->write_all(upgrade.answer, kHandshakeDeadline));
  auto web_socket = net::make_web_socket_server(std::move(stream), {});
  CO_TRY(auto inside,
         net::carry_by_socket(std::move(web_socket), {kWhileOpen, kUnwrappedHalfClosedLimit}, std::move(counted)));
  co_return std::make_unique<net::RawSocket>(executor, std::move(inside), peer);
}

}  // namespace sallyport::relay
