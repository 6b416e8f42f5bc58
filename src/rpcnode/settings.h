// What the people who run a node have written about it: rpc.toml, read once, complete or refused.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"
#include "rpcnode/access_rules.h"
#include "rpcnode/http_method.h"
#include "rpcnode/identity.h"
#include "rpcnode/methods.h"
#include "sealed/eva_key.h"
#include "sealed/eva_topics.h"
#include "sealed/names.h"

namespace sallyport::config {
class Table;
}

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxBrokers = 8;

// What the process of a node may write to of its own memory (RLIMIT_DATA). Its tables are bounded and need a part of
// it; beyond it the process ends, and is started again.
inline constexpr std::uint64_t kDefaultNodeMemory = 512U << 20U;
inline constexpr std::uint64_t kLeastNodeMemory = 128U << 20U;
inline constexpr std::uint64_t kMostNodeMemory = std::uint64_t{64} << 30U;

// A broker that the node is connected to. Nothing that it says is believed.
struct BrokerSettings {
  net::Address address;
  bool mqtt5 = false;                      // else 3.1.1
  std::string client_id;                   // empty: drawn anew at each start
  std::string username;                    // empty: none
  std::filesystem::path password_file;     // empty: none
  std::filesystem::path ca_file;           // empty: without TLS
  std::filesystem::path certificate_file;  // empty: none
  std::filesystem::path key_file;
  milliseconds longest_retry{120'000};  // between attempts to connect; a broker that was gone has many to take back
  friend bool operator==(const BrokerSettings&, const BrokerSettings&) = default;
};

// Where nodes and callers meet: brokers, and what stands before all topics.
struct BrokerWay {
  sealed::TopicPrefix prefix;
  std::vector<BrokerSettings> brokers;
  friend bool operator==(const BrokerWay&, const BrokerWay&) = default;
};

// A method that people have written about: a command or an endpoint.
struct MethodSettings {
  std::string name;
  std::string description;
  std::vector<std::string> command;  // empty: endpoint is set
  std::optional<HttpEndpoint> endpoint;
  bool idempotent = false;
  milliseconds limit = kDefaultMethodLimit;
  std::size_t concurrent = kDefaultConcurrent;
  friend bool operator==(const MethodSettings&, const MethodSettings&) = default;
};

// An item whose state is told without being asked for (states.h).
struct StateSettings {
  std::string item;                  // 1 to 8 levels of letters, digits and . _ - : joined by '/'
  std::vector<std::string> command;  // empty: endpoint is set
  std::optional<HttpEndpoint> endpoint;
  milliseconds every{10'000};
  friend bool operator==(const StateSettings&, const StateSettings&) = default;
};
inline constexpr std::size_t kMaxStates = 256;

// Who may call with a certificate, and what.
struct CallerSettings {
  std::string who;  // "device:<name>", "person:<login>", or with * for any text
  AccessRules rules;
  std::uint32_t calls_per_minute = 600;
  friend bool operator==(const CallerSettings&, const CallerSettings&) = default;
};

// A key of EVA ICS v3's controllers.
struct EvaKeySettings {
  sealed::eva::KeyId id;
  std::filesystem::path secret_file;
  UnixTime until;           // from then on it opens nothing
  bool only_fresh = false;  // of callers whose ids have a time, as ours have: nothing of theirs runs twice
  AccessRules rules;
};
// The old formats; off without this.
struct EvaSettings {
  sealed::eva::Space space;
  sealed::eva::Controller self;
  bool announce = false;
  std::vector<EvaKeySettings> keys;
};
inline constexpr std::size_t kMaxEvaKeys = 64;

struct NodeSettings {
  sealed::NodeName node;
  sealed::TopicPrefix prefix;
  std::vector<BrokerSettings> brokers;
  std::vector<MethodSettings> methods;
  std::vector<StateSettings> states;
  std::optional<IdentitySettings> identity;  // absent: the agent's device, or called with API keys alone
  std::vector<CallerSettings> callers;       // the first that matches counts
  std::optional<EvaSettings> eva;            // absent: the old formats are off
  std::optional<net::Address> https_listen;  // absent: no calls over HTTPS
  std::uint64_t memory_limit = kDefaultNodeMemory;
};
inline constexpr std::size_t kMaxCallers = 256;

// Errors read FILE:LINE: sentence. Relative paths are of the file's folder.
Result<NodeSettings> load_settings(const std::filesystem::path& path);
Result<NodeSettings> parse_settings(std::string_view toml, std::string_view display_name,
                                    const std::filesystem::path& folder = {});
// The keys `prefix` and [[broker]] of a table, at least one. Relative paths are of `folder`.
Result<BrokerWay> read_broker_way(const config::Table& table, const std::filesystem::path& folder);
// A broker as one text, for command lines: "mqtt://HOST:PORT" or "mqtts://HOST:PORT".
struct BrokerUrl {
  net::Address address;
  bool tls = false;
};
Result<BrokerUrl> parse_broker_url(std::string_view text);
// The broker at `url`, of whose settings the others are in `words`: those of TLS count for mqtts:// alone. Errors name
// an option as it is written, with `dashes` before it: Errc::malformed for mqtts:// without a CA, and for a password
// that would go over the network in clear.
Result<BrokerSettings> broker_at(std::string_view url, BrokerSettings words, std::string_view dashes);

}  // namespace sallyport::rpcnode
