// A node to which anything comes: input is messages of u16 length; an empty one stands for the caller's next own
// message. Nothing that the caller did not seal is executed.
#include <cstdint>
#include <cstdlib>

#include "sealed/caller.h"
#include "sealed/responder.h"

using namespace sallyport;

namespace {

constexpr UnixTime kNow{1'800'000'000};

struct Exchange {
  SeededRandom random{1};
  sealed::NodeName node{"pump-7"};
  sealed::ApiKey key = sealed::draw_api_key(sealed::KeyId("pump"), random);
  sealed::Responder responder{node, {}, random, kNow - seconds(1'000)};
  sealed::Caller caller{node, {}, sealed::KeyCredential{sealed::derive_node_key(key.secret, node)}, random};
  std::vector<sealed::Publish> sent;
  std::size_t executed = 0;

  void take(std::vector<sealed::CallerAction> actions) {
    for (auto& action : actions) {
      if (auto* subscribe = std::get_if<sealed::Subscribe>(&action))
        take(caller.on_subscribed(subscribe->topic, now()));
      if (auto* publish = std::get_if<sealed::Publish>(&action)) sent.push_back(std::move(*publish));
    }
  }
  void deliver(ByteView message) {
    for (auto& action : responder.on_message(message, false, kNow)) {
      if (auto* execute = std::get_if<sealed::Execute>(&action)) {
        ++executed;
        answer(responder.finish(execute->execution, {}, kNow));
      }
      if (auto* publish = std::get_if<sealed::Publish>(&action))
        take(caller.on_message(publish->topic, publish->payload, false, now()));
    }
  }
  void answer(std::vector<sealed::ResponderAction> actions) {
    for (auto& action : actions) {
      if (auto* publish = std::get_if<sealed::Publish>(&action))
        take(caller.on_message(publish->topic, publish->payload, false, now()));
    }
  }
  void call() {
    take(caller.call(sealed::draw_call_id(kNow, random), "{}", seconds(10), {}, now()));
    for (std::size_t i = 0; i < sent.size(); ++i) deliver(Bytes(sent[i].payload));
    sent.clear();
  }
  static sealed::Now now() { return {.civil = kNow, .monotonic = Instant(seconds(100))}; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Exchange exchange;
  exchange.responder.add_key(sealed::KeyId("pump"), sealed::derive_node_key(exchange.key.secret, exchange.node));
  std::size_t calls = 0;
  for (Reader reader({data, size}); calls < 16;) {
    const auto message = reader.bytes_u16();
    if (!message) break;
    if (message->empty()) {
      exchange.call();
      ++calls;
    } else {
      exchange.deliver(*message);
    }
  }
  if (exchange.executed != calls) std::abort();
  return 0;
}
