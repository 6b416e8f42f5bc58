// sallyport.toml: what the operator decides about an installation. Read once, complete or refused.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/names.h"
#include "base/result.h"
#include "command.h"
#include "rpcnode/settings.h"

namespace sallyport::cli {

inline constexpr std::int64_t kMaxWorkers = 256;

struct Settings {
  // [installation]: fixed by init; a change would need new CAs.
  std::string name;
  DnsName zone;
  DnsName console_name;
  std::uint16_t public_port = 443;  // under which people and devices reach the relay
  // [listen]
  std::string address = "0.0.0.0";
  std::uint16_t tls_port = 443;
  std::uint16_t http_port = 80;
  std::uint16_t metrics_port = 0;  // on 127.0.0.1; 0: none
  // [relay]: 0 is as many as there are cores.
  std::uint32_t workers = 0;
  // [enrolment]: for how many days after its end a device's certificate may still be renewed.
  std::uint32_t renew_expired_days = 5 * 365;
  // [telemetry]: for how many days what devices sent is kept; 0: for ever.
  std::uint32_t keep_telemetry_days = 0;
  // [rpc]: the brokers through which nodes are called from the console; absent: they are not. Relative paths are of the
  // role's own folder, since files of others are closed to it.
  std::optional<rpcnode::BrokerWay> rpc;
};

// Errors read FILE:LINE: sentence. `caller_folder` is where relative paths of [rpc] begin.
Result<Settings> parse_settings(std::string_view toml, std::string_view display_name,
                                const std::filesystem::path& caller_folder = {});
Result<Settings> load_settings(const std::filesystem::path& file);
// The same of an installation that must be there: a missing file is one of its state, a wrong key is not.
Try<Settings> load_settings_in_state(const std::filesystem::path& file);
// The file as init writes it.
std::string encode_settings(const Settings& settings);

}  // namespace sallyport::cli
