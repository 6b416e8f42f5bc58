// Input: the choice of a parser u8, then the text that it reads: endpoints, brokers, states, audit lines.
#include <cstdint>
#include <cstdlib>

#include "rpcnode/audit_trail.h"
#include "rpcnode/http_method.h"
#include "rpcnode/settings.h"
#include "rpcnode/states.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text = as_text({data + 1, size - 1});
  switch (data[0] % 5) {
    case 0:
      if (const auto endpoint = rpcnode::parse_http_endpoint(text);
          endpoint && (!net::is_loopback(endpoint->address) || endpoint->target.front() != '/'))
        std::abort();
      break;
    case 1:
      static_cast<void>(rpcnode::parse_broker_url(text));
      break;
    case 2:
      if (const auto state = rpcnode::parse_state(text)) {
        const auto again = rpcnode::parse_state(rpcnode::encode_state(*state));
        if (!again || !(*again == *state)) std::abort();
      }
      break;
    case 3:
      static_cast<void>(rpcnode::check_audit_lines(text, {}));
      break;
    default:
      static_cast<void>(rpcnode::parse_settings(text, "rpc.toml"));
  }
  return 0;
}
