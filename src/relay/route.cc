#include "relay/route.h"

#include "relay/settings.h"

namespace sallyport::relay {
namespace {

constexpr std::string_view kRelayLabel = "relay";

// What stands before "." + `zone`; empty when `name` is not below the zone.
std::string_view labels_below(const DnsName& name, const DnsName& zone) {
  if (!is_below(name, zone)) return {};
  return std::string_view(name.get()).substr(0, name.get().size() - zone.get().size() - 1);
}

}  // namespace

Route find_route(const DnsName& server_name, const DnsName& zone, const DnsName& console_name) {
  if (server_name == console_name || server_name == under("api", console_name)) return ToRole{.role = "console"};
  const std::string_view labels = labels_below(server_name, zone);
  if (labels == "gateway") return ToRole{.role = "gateway"};
  if (labels == "status") return ToRole{.role = "status"};
  const auto dot = labels.find('.');
  if (dot == std::string_view::npos) return ToNobody{};
  const std::string_view first = labels.substr(0, dot);
  const std::string_view second = labels.substr(dot + 1);
  if (second == kRelayLabel) {
    auto device = parse_device_name(first);
    return device ? Route(ToControl{.device = *std::move(device)}) : Route(ToNobody{});
  }
  auto label = parse_grant_label(first);
  auto device = parse_device_name(second);
  if (!label || !device) return ToNobody{};
  return ToDevice{.label = *std::move(label), .device = *std::move(device)};
}

tunnel::WorkerSlot owner_of(const DeviceName& device, std::uint16_t workers) {
  SALLYPORT_CHECK(workers > 0);
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : device.get()) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3U;
  return tunnel::WorkerSlot(static_cast<std::uint16_t>(hash % workers));
}

std::string role_socket(const Settings& settings, std::string_view role) {
  return fmt::format("{}/{}.sock", settings.run_folder, role);
}

std::string worker_socket(const Settings& settings, tunnel::WorkerSlot slot) {
  return fmt::format("{}/worker-{}.sock", settings.run_folder, slot.get());
}

std::string succession_socket(const Settings& settings) {
  return fmt::format("{}/succession-{}.sock", settings.run_folder, settings.slot.get());
}

}  // namespace sallyport::relay
