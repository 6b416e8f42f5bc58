#include "net/hand_over.h"

#include <sys/socket.h>

#include "base/log.h"
#include "net/descriptor_passing.h"

namespace sallyport::net {
namespace {

constexpr std::uint8_t kHandshakeRecord = 22;

// A connection out of a WebSocket is a Unix socket here: its limits are those of who came.
Address told_address(std::string_view source) {
  auto address = parse_address(source);
  return address && is_ip(address->host) ? *std::move(address) : Address{};
}

}  // namespace

Task<void> serve_hand_over(StreamPtr channel, std::function<void(HandedOver)> take) {
  for (;;) {
    auto passed = co_await receive_descriptor(*channel, Deadline::never());
    if (!passed) {
      log::info("hand-over.ended", {{"error", passed.error()}});
      co_return;
    }
    std::uint8_t first = 0;
    const ssize_t seen = ::recv(passed->descriptor.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    std::string source(as_text(passed->metadata));
    auto stream = adopt_socket(channel->executor(), std::move(passed->descriptor), told_address(source));
    if (!stream || seen < 1) continue;
    take(HandedOver{*std::move(stream), first == kHandshakeRecord, std::move(source)});
  }
}

Task<void> serve_hand_over(Listener& listener, std::set<uid_t> givers, std::function<void(HandedOver)> take) {
  for (;;) {
    auto channel = co_await listener.accept(Deadline::never());
    if (!channel) co_return;
    const auto uid = (*channel)->peer().uid;
    if (!uid || !givers.contains(*uid)) {
      log::warn("hand-over.peer-refused", {{"uid", uid.value_or(static_cast<uid_t>(-1))}});
      continue;
    }
    const Executor executor = (*channel)->executor();
    spawn(executor, serve_hand_over(*std::move(channel), take), "net.hand-over");
  }
}

}  // namespace sallyport::net
