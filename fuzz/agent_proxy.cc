// Which proxy, and where none: proxy texts, files of credentials and NO_PROXY lists. The first byte says which.
#include <cstdint>

#include "agent/proxy.h"
#include "tunnel/proxy_connect.h"

namespace {

using namespace sallyport;

void read_proxy(std::string_view text) {
  const auto proxy = agent::parse_proxy(text);
  if (!proxy) return;
  SALLYPORT_CHECK(proxy->address.port != 0);
  SALLYPORT_CHECK(tunnel::encode_connect_request(net::to_string(proxy->address), SecretBytes()).has_value());
  const std::string written = agent::encode_proxy(*proxy);
  const auto again = agent::parse_proxy(written);
  SALLYPORT_CHECK(again.has_value() && again->address == proxy->address && agent::encode_proxy(*again) == written);
}

void read_no_proxy(std::string_view list) {
  const auto direct = agent::NoProxy::parse(list);
  if (!direct) return;
  for (const std::string_view host : {"a.example", "192.0.2.1", "2001:db8::1"})
    SALLYPORT_CHECK(list.find_first_not_of(", \t") != std::string_view::npos ||
                    !direct->matches({.host = std::string(host), .port = 443}));
  SALLYPORT_CHECK(direct->matches({.host = "127.0.0.1", .port = 443}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView rest(data + 1, size - 1);
  switch (data[0]) {
    case 'p':
      read_proxy(as_text(rest));
      break;
    case 'c':
      if (const auto credentials = agent::parse_proxy_credentials(rest))
        SALLYPORT_CHECK(tunnel::check_proxy_credentials(*credentials).has_value());
      break;
    case 'n':
      read_no_proxy(as_text(rest));
      break;
    default:
      break;
  }
  return 0;
}
