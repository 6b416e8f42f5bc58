// What a new connection wants: an answer never changes when more bytes come, more bytes are asked for within the limits
// alone, and a redirect leads to a name of ours.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "relay/first_flight.h"
#include "relay/limits.h"
#include "relay/passing.h"
#include "relay/redirect.h"
#include "relay/route.h"
#include "tunnel/limits.h"

using namespace sallyport;

namespace {

// What goes along with a connection between two processes.
void read_passed_source(std::string_view text) {
  const auto source = relay::parse_passed_source(text);
  if (!source) return;
  const std::string written = relay::encode_passed_source(source->address, source->came == relay::Came::passed_back);
  const auto again = relay::parse_passed_source(written);
  if (!again || again->came != source->came || again->address.port != source->address.port) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  read_passed_source(as_text(input));
  const relay::OwnNames names{.zone = DnsName("devices.example"), .console = DnsName("console.example"), .port = 8443};
  const auto whole = relay::find_first_flight(input, names);
  if (const auto* more = std::get_if<relay::NeedMore>(&whole)) {
    if (more->total <= size || more->total > tunnel::kMaxHelloHybrid + 1) std::abort();
  }
  for (const std::size_t part : {size / 4, size / 2, size - size / 4}) {
    const auto early = relay::find_first_flight(input.first(part), names);
    if (!std::holds_alternative<relay::NeedMore>(early) && early.index() != whole.index()) std::abort();
  }
  if (const auto* hello = std::get_if<tunnel::ClientHello>(&whole)) {
    const auto route = relay::find_route(hello->server_name, names.zone, names.console);
    if (const auto* device = std::get_if<relay::ToDevice>(&route)) {
      const DnsName host = under(device->label.get(), under(device->device.get(), names.zone));
      if (host != hello->server_name) std::abort();
    }
  }
  const auto answer = relay::find_redirect(input, names.zone, names.console, names.port);
  if (answer && *answer) {
    const std::string_view text = as_text(**answer);
    const bool ours = text.find("\r\nLocation: https://console.example:8443/") != std::string_view::npos ||
                      text.find("console.example:8443/") != std::string_view::npos ||
                      text.find("devices.example:8443/") != std::string_view::npos;
    if (!ours) std::abort();
  }
  return 0;
}
