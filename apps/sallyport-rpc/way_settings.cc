#include "way_settings.h"

#include <algorithm>
#include <array>

#include "codec/json.h"
#include "rpcnode/key_file.h"

namespace sallyport::library {
namespace {

constexpr std::string_view kBroker = "broker";
constexpr std::array<std::string_view, 12> kNames{kBroker, "prefix", "ca",   "username", "password-file", "certificate",
                                                  "key",   "mqtt5",  "zone", "device",   "key-file",      "identity"};

}  // namespace

std::string WaySettings::find(std::string_view name) const {
  const auto found = std::ranges::find(given_, name, [](const auto& entry) -> std::string_view { return entry.first; });
  return found == given_.end() ? std::string() : found->second;
}

Result<void> WaySettings::set(std::string_view name, std::string_view value) {
  if (std::ranges::find(kNames, name) == kNames.end())
    return fail(Errc::malformed, "name: found one that is not known");
  if (value.empty() || !codec::is_utf8(value)) return failf(Errc::malformed, "{}: want a text in UTF-8", name);
  if (name == "mqtt5" && value != "yes" && value != "no") return fail(Errc::malformed, "mqtt5: want yes or no");
  const auto brokers =
      std::ranges::count(given_, kBroker, [](const auto& entry) -> std::string_view { return entry.first; });
  if (name == kBroker ? std::cmp_greater_equal(brokers, rpcnode::kMaxBrokers) : has(name))
    return failf(Errc::malformed, "{}: found more than may be given", name);
  given_.emplace_back(name, value);
  return {};
}

Result<rpcnode::BrokerSettings> WaySettings::broker(const std::string& url) const {
  return rpcnode::broker_at(url,
                            {.address = {},
                             .mqtt5 = find("mqtt5") == "yes",
                             .client_id = {},
                             .username = find("username"),
                             .password_file = find("password-file"),
                             .ca_file = find("ca"),
                             .certificate_file = find("certificate"),
                             .key_file = find("key")},
                            "");
}

Result<void> WaySettings::read_credential(Way& way) const {
  if (has("key-file") == has("identity")) return fail(Errc::malformed, "key-file: want it or identity");
  if (has("key-file")) {
    TRY(auto key, rpcnode::read_key_file(find("key-file")));
    way.key = std::move(key);
    return {};
  }
  auto zone = parse_dns_name(find("zone"));
  if (!zone) return std::unexpected(std::move(zone).error().at("zone"));
  auto identity = rpcnode::identity_in(find("identity"), *std::move(zone));
  auto device = parse_device_name(has("device") ? find("device") : way.node.get());
  if (!device) return std::unexpected(std::move(device).error().at("device"));
  way.device = *std::move(device);
  // What cannot be read is told now.
  TRY_VOID(rpcnode::Identity::read(identity));
  way.identity = std::move(identity);
  return {};
}

Result<Way> WaySettings::finish(std::string_view node) const {
  Way out;
  TRY(out.node, sealed::parse_node_name(node));
  if (has("prefix")) {
    TRY(out.prefix, sealed::parse_topic_prefix(find("prefix")));
  }
  for (const auto& [name, value] : given_) {
    if (name != kBroker) continue;
    TRY(auto made, broker(value));
    out.brokers.push_back(std::move(made));
  }
  if (out.brokers.empty()) return fail(Errc::malformed, "broker: is missing");
  TRY_VOID(read_credential(out));
  return out;
}

}  // namespace sallyport::library
