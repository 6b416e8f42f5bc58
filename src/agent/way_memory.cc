#include "agent/way_memory.h"

#include <algorithm>

#include "codec/json.h"
#include "net/address.h"

namespace sallyport::agent {
namespace {

using codec::Json;

constexpr std::int64_t kMostSeconds = 3'600;

Result<std::string> read_text(const Json& from, std::string_view key) {
  TRY(std::string text, from.text_at(key));
  if (text.size() > kMaxWayText) return failf(Errc::malformed, "ways out: {} over {} characters", key, kMaxWayText);
  if (!std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; }))
    return failf(Errc::malformed, "ways out: {} has other than printable ASCII characters", key);
  return text;
}

Result<seconds> read_seconds(const Json& from, std::string_view key) {
  TRY(const std::int64_t count, from.integer_at(key));
  if (count < 0 || count > kMostSeconds)
    return failf(Errc::malformed, "ways out: {} is {}, want 0 to {}", key, count, kMostSeconds);
  return seconds(count);
}

Result<NetworkMemory> read_network(const Json& from) {
  TRY_VOID(from.only_keys({"network", "ping_s", "ceiling_s", "sealed"}));
  NetworkMemory out;
  TRY(out.network, read_text(from, "network"));
  TRY(out.ping.current, read_seconds(from, "ping_s"));
  TRY(out.ping.ceiling, read_seconds(from, "ceiling_s"));
  TRY(out.is_sealed, from.boolean_at("sealed"));
  return out;
}

}  // namespace

NetworkMemory& WayMemory::enter(std::string_view network) {
  auto found = std::ranges::find(networks, network, &NetworkMemory::network);
  if (found == networks.end()) {
    if (networks.size() == kMaxNetworks) networks.pop_back();
    found = networks.insert(networks.end(), NetworkMemory{.network = std::string(network), .ping = {}});
  }
  std::rotate(networks.begin(), found, found + 1);
  return networks.front();
}

std::string encode_way_memory(const WayMemory& memory) {
  Json::Array networks;
  for (const NetworkMemory& each : memory.networks) {
    networks.push_back(Json::Object{{"network", each.network},
                                    {"ping_s", std::int64_t{each.ping.current.count()}},
                                    {"ceiling_s", std::int64_t{each.ping.ceiling.count()}},
                                    {"sealed", each.is_sealed}});
  }
  return Json(Json::Object{{"way", memory.way}, {"networks", std::move(networks)}}).write() + "\n";
}

Result<WayMemory> parse_way_memory(ByteView bytes) {
  TRY(const Json root, codec::parse_json(as_text(bytes), {.size = kMaxWayMemory, .depth = 4}));
  TRY_VOID(root.only_keys({"way", "networks"}));
  WayMemory out;
  TRY(out.way, read_text(root, "way"));
  TRY(const Json list, root.at("networks"));
  TRY(const auto networks, list.array());
  if (networks.size() > kMaxNetworks)
    return failf(Errc::malformed, "ways out: {} networks, want {} or fewer", networks.size(), kMaxNetworks);
  for (const Json& one : networks) {
    TRY(auto network, read_network(one));
    const auto is_there = std::ranges::find(out.networks, network.network, &NetworkMemory::network);
    if (is_there != out.networks.end()) return fail(Errc::malformed, "ways out: a network twice");
    out.networks.push_back(std::move(network));
  }
  return out;
}

std::string network_of(const std::string& own_address) {
  auto address = net::find_ip_octets(own_address);
  if (!address) return {};
  const std::size_t kept = address->size == 4 ? 3 : 8;
  std::fill(address->octets.begin() + static_cast<std::ptrdiff_t>(kept), address->octets.end(), std::uint8_t{0});
  return fmt::format("{}/{}", net::to_string(*address), 8 * kept);
}

}  // namespace sallyport::agent
