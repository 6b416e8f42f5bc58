// A caller to which anything comes: input is messages of u16 length, delivered to the inbox it waits at. Nothing that
// no node sealed answers its call.
#include <cstdint>
#include <cstdlib>

#include "sealed/caller.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  SeededRandom random(1);
  const sealed::NodeName node("pump-7");
  const auto key = sealed::draw_api_key(sealed::KeyId("pump"), random);
  sealed::Caller caller(node, {}, sealed::KeyCredential{sealed::derive_node_key(key.secret, node)}, random);
  const sealed::Now now{.civil = UnixTime(1'800'000'000), .monotonic = Instant(seconds(100))};
  std::string inbox;
  for (auto& action :
       caller.call(sealed::draw_call_id(now.civil, random), "{}", seconds(10), {.idempotent = true}, now)) {
    if (auto* subscribe = std::get_if<sealed::Subscribe>(&action)) inbox = subscribe->topic;
  }
  if (caller.on_subscribed(inbox, now).size() != 1) std::abort();
  Reader reader({data, size});
  for (auto message = reader.bytes_u16(); message; message = reader.bytes_u16()) {
    if (!caller.on_message(inbox, *message, false, now).empty()) std::abort();
  }
  if (caller.pending() != 1) std::abort();
  return 0;
}
