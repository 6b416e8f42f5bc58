#include "settings.h"

#include "config/document.h"
#include "installation_folder.h"
#include "keystore/file.h"

namespace sallyport::cli {
namespace {

constexpr config::Range<std::int64_t> kPorts{0, 65'535};
constexpr std::int64_t kMaxRenewExpiredDays = 100 * 365;
constexpr std::int64_t kMaxKeepDays = 100 * 365;

Result<std::uint16_t> read_port(const config::Table& table, std::string_view key, std::int64_t fallback) {
  TRY(const auto port, table.integer(key, kPorts, fallback));
  return static_cast<std::uint16_t>(port);
}

Result<DnsName> read_name(const config::Table& table, std::string_view key) {
  TRY(const auto text, table.text(key));
  auto name = parse_dns_name(text);
  if (!name) return table.refuse(key, name.error().detail);
  return *std::move(name);
}

Result<void> read_installation(const config::Table& table, Settings& settings) {
  TRY(settings.name, table.text("name"));
  TRY(settings.zone, read_name(table, "zone"));
  TRY(settings.console_name, read_name(table, "console_name"));
  TRY(settings.public_port, read_port(table, "public_port", settings.public_port));
  return {};
}

Result<void> read_listen(const config::Table& table, Settings& settings) {
  TRY(settings.address, table.text("address", settings.address));
  TRY(settings.tls_port, read_port(table, "tls_port", settings.tls_port));
  TRY(settings.http_port, read_port(table, "http_port", settings.http_port));
  TRY(settings.metrics_port, read_port(table, "metrics_port", settings.metrics_port));
  return {};
}

}  // namespace

Result<Settings> parse_settings(std::string_view toml, std::string_view display_name,
                                const std::filesystem::path& caller_folder) {
  TRY(const auto document, config::Document::parse(toml, display_name));
  Settings settings;
  TRY(const auto installation, document.root().table("installation"));
  TRY_VOID(read_installation(installation, settings));
  TRY(const auto listen, document.root().find_table("listen"));
  if (listen) TRY_VOID(read_listen(*listen, settings));
  TRY(const auto relay, document.root().find_table("relay"));
  if (relay) {
    TRY(const auto workers, relay->integer("workers", {0, kMaxWorkers}, 0));
    settings.workers = static_cast<std::uint32_t>(workers);
  }
  TRY(const auto enrolment, document.root().find_table("enrolment"));
  if (enrolment) {
    TRY(const auto days,
        enrolment->integer("renew_expired_days", {0, kMaxRenewExpiredDays}, settings.renew_expired_days));
    settings.renew_expired_days = static_cast<std::uint32_t>(days);
  }
  TRY(const auto telemetry, document.root().find_table("telemetry"));
  if (telemetry) {
    TRY(const auto days, telemetry->integer("keep_days", {0, kMaxKeepDays}, settings.keep_telemetry_days));
    settings.keep_telemetry_days = static_cast<std::uint32_t>(days);
  }
  TRY(const auto rpc, document.root().find_table("rpc"));
  if (rpc) {
    TRY(settings.rpc, rpcnode::read_broker_way(*rpc, caller_folder));
  }
  TRY_VOID(document.finish());
  return settings;
}

Result<Settings> load_settings(const std::filesystem::path& file) {
  TRY(const auto text, keystore::read_file(file, config::kMaxDocumentBytes));
  return parse_settings(as_text(text), file.string(), InstallationPaths{file.parent_path()}.caller());
}

Try<Settings> load_settings_in_state(const std::filesystem::path& file) {
  auto settings = load_settings(file);
  if (!settings && settings.error().code == Errc::malformed) return std::unexpected(std::move(settings).error());
  return in_state(std::move(settings));
}

std::string encode_settings(const Settings& settings) {
  return fmt::format(
      "# Sallyport installation. docs/operate/configuration.md describes every key.\n"
      "[installation]\n"
      "name = \"{}\"\n"
      "zone = \"{}\"\n"
      "console_name = \"{}\"\n"
      "public_port = {}\n"
      "\n"
      "[listen]\n"
      "address = \"{}\"\n"
      "tls_port = {}\n"
      "http_port = {}\n"
      "metrics_port = {}  # GET /metrics on 127.0.0.1; 0: none\n"
      "\n"
      "[relay]\n"
      "workers = {}  # 0: one per core\n"
      "\n"
      "[enrolment]\n"
      "renew_expired_days = {}  # a device's certificate may still be renewed so long after its end\n"
      "\n"
      "[telemetry]\n"
      "keep_days = {}  # what devices sent is kept so long; 0: for ever\n",
      settings.name, settings.zone.get(), settings.console_name.get(), settings.public_port, settings.address,
      settings.tls_port, settings.http_port, settings.metrics_port, settings.workers, settings.renew_expired_days,
      settings.keep_telemetry_days);
}

}  // namespace sallyport::cli
