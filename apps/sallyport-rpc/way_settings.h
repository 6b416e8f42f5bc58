// What the owner of a handle has said before he opens it, by the names of `sallyport rpc call`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rpcnode/identity.h"
#include "rpcnode/settings.h"
#include "sealed/api_key.h"

namespace sallyport::library {

// Everything that a way to one node needs.
struct Way {
  sealed::NodeName node;
  sealed::TopicPrefix prefix;
  std::vector<rpcnode::BrokerSettings> brokers;
  std::optional<sealed::ApiKey> key;
  // Instead of a key.
  std::optional<rpcnode::IdentitySettings> identity;
  DeviceName device;
};

class WaySettings {
 public:
  // Errc::malformed for a name that is not known, one that is given twice and may not, and text that is no UTF-8.
  Result<void> set(std::string_view name, std::string_view value);
  // Reads the key's file. Errors name what is missing.
  Result<Way> finish(std::string_view node) const;

 private:
  std::string find(std::string_view name) const;
  bool has(std::string_view name) const { return !find(name).empty(); }
  Result<rpcnode::BrokerSettings> broker(const std::string& url) const;
  Result<void> read_credential(Way& way) const;

  std::vector<std::pair<std::string, std::string>> given_;
};

}  // namespace sallyport::library
