#include "fleet.h"

#include <algorithm>

#include "keystore/file.h"
#include "net/run.h"
#include "net/timer.h"
#include "process_use.h"

namespace sallyport::fleet {
namespace {

using codec::Json;
using Object = codec::Json::Object;

constexpr std::int64_t kMaxDevices = 20'000;
constexpr std::size_t kMaxFile = 64U << 10U;
constexpr milliseconds kLook{20};  // between two looks at what is waited for
// Devices whose agents are stopped at the same time.
constexpr std::size_t kTurn = 64;

// 25 devices in each /24, so that no limit per network is what a test of the fleet meets.
std::string source_of(std::int64_t number) {
  constexpr int kPerNetwork = 25;
  const std::int64_t network = number / kPerNetwork;
  return fmt::format("127.{}.{}.{}", 10 + network / 256, network % 256, 1 + number % kPerNetwork);
}

Result<std::int64_t> number_or(const Json& order, std::string_view key, std::int64_t otherwise) {
  if (order.find(key) == nullptr) return otherwise;
  return order.integer_at(key);
}

Result<agent::Settings> read_settings(const Json& order) {
  agent::Settings out;
  TRY(const std::string site, order.text_at("site"));
  TRY(const std::string zone, order.text_at("zone"));
  TRY(const std::string relay, order.text_at("relay"));
  TRY(const std::string http, order.text_at("http"));
  TRY(out.site, parse_site_name(site));
  TRY(out.zone, parse_dns_name(zone));
  TRY(out.relay_address, net::parse_address(relay));
  TRY(out.http_address, net::parse_address(http));
  out.remote_access = true;
  return out;
}

Result<pki::Certificate> read_root(const Json& order) {
  TRY(const std::string path, order.text_at("root"));
  TRY(const Bytes pem, keystore::read_file(path, kMaxFile));
  TRY(auto found, pki::parse_certificates_pem(as_text(pem)));
  return std::move(found.front());
}

net::Task<void> put_to_sleep(Device& device) {
  co_await device.sleep();
}

net::Task<void> put_to_sleep_all(std::vector<Device*> devices) {
  const auto executor = co_await net::current_executor();
  for (std::size_t at = 0; at < devices.size(); at += kTurn) {
    net::TaskGroup turn(executor);
    const auto end = std::min(devices.size(), at + kTurn);
    for (std::size_t i = at; i < end; ++i) turn.spawn(put_to_sleep(*devices[i]), "fleet.sleep");
    co_await turn.until_empty();
  }
}

}  // namespace

net::Task<Json> Fleet::obey(Json order) {
  auto done = co_await perform(std::move(order));
  if (!done) co_return Json(Object{{"error", done.error().detail}});
  if (done->find("error") == done->end()) done->emplace("ok", true);
  co_return Json(*std::move(done));
}

net::Task<void> Fleet::end() {
  Chosen all;
  for (const auto& each : devices_) all.push_back(each.get());
  co_await put_to_sleep_all(std::move(all));
}

net::Task<Result<Object>> Fleet::perform(Json order) {
  CO_TRY(const std::string verb, order.text_at("do"));
  if (verb == "make") co_return make(order);
  if (verb == "install") co_return install(order);
  if (verb == "wake") co_return wake(order);
  if (verb == "sleep") co_return co_await sleep(std::move(order));
  if (verb == "wait") co_return co_await wait(std::move(order));
  if (verb == "mark") co_return mark(order);
  if (verb == "count") co_return count(order);
  if (verb == "list") co_return list(order);
  co_return failf(Errc::malformed, "order: found {}, want make, install, wake, sleep, wait, mark, count or list", verb);
}

Result<Fleet::Chosen> Fleet::choose(const Json& order) const {
  const auto all = static_cast<std::int64_t>(devices_.size());
  TRY(const auto from, number_or(order, "from", 0));
  TRY(const auto count, number_or(order, "count", all - from));
  if (from < 0 || count < 0 || from + count > all)
    return failf(Errc::malformed, "order: found devices {} to {}, want some of {}", from, from + count, all);
  Chosen out;
  for (auto i = from; i < from + count; ++i) out.push_back(devices_[static_cast<std::size_t>(i)].get());
  return out;
}

Result<Object> Fleet::make(const Json& order) {
  TRY(auto settings, read_settings(order));
  TRY(const auto root, read_root(order));
  TRY(const std::string folder, order.text_at("folder"));
  TRY(const std::string batch, order.text_at("batch"));
  TRY(const std::string prefix, order.text_at("prefix"));
  TRY(const auto count, order.integer_at("count"));
  TRY(const auto first, number_or(order, "first", 0));
  const bool spread = order.boolean_at("spread").value_or(true);
  if (count < 1 || static_cast<std::int64_t>(devices_.size()) + count > kMaxDevices)
    return failf(Errc::malformed, "make: found {} devices, want 1 to {} in all", count, kMaxDevices);
  for (auto i = first; i < first + count; ++i) {
    TRY(settings.serial_id, parse_serial_id(fmt::format("{}-{}", prefix, i)));
    settings.connect_from = spread ? source_of(static_cast<std::int64_t>(devices_.size())) : std::string();
    const std::string& id = settings.serial_id.get();
    auto device = std::make_unique<Device>(world_, std::filesystem::path(folder) / id, settings.serial_id);
    TRY(const std::string csr, device->make(settings, root));
    const auto file = std::filesystem::path(batch) / (id + ".csr");
    TRY_VOID(keystore::atomic_write_file(file, as_bytes(csr), keystore::kPublicMode));
    devices_.push_back(std::move(device));
  }
  return Object{{"devices", devices_.size()}};
}

Result<Object> Fleet::install(const Json& order) {
  TRY(const std::string batch, order.text_at("batch"));
  std::size_t installed = 0;
  for (const auto& device : devices_) {
    const auto path = std::filesystem::path(batch) / (device->serial_id().get() + ".pem");
    const auto pem = keystore::read_file(path, kMaxFile);
    if (!pem && pem.error().code == Errc::not_found) continue;
    if (!pem) return std::unexpected(pem.error());
    TRY_VOID(device->install(as_text(*pem)));
    ++installed;
  }
  return Object{{"installed", installed}};
}

Result<Object> Fleet::wake(const Json& order) {
  TRY(const auto chosen, choose(order));
  TRY(const auto samples, number_or(order, "samples", 0));
  for (Device* device : chosen) {
    if (auto woken = device->wake(static_cast<std::size_t>(samples)); !woken)
      return std::unexpected(std::move(woken).error().at(device->serial_id().get()));
  }
  return Object{{"devices", chosen.size()}};
}

net::Task<Result<Object>> Fleet::sleep(Json order) {
  CO_TRY(auto chosen, choose(order));
  const auto count = chosen.size();
  co_await put_to_sleep_all(std::move(chosen));
  co_return Object{{"devices", count}};
}

Result<Fleet::Condition> Fleet::condition(std::string_view name) const {
  using agent::ControlState;
  using agent::Phase;
  if (name == "online") return [](const Device& one) { return one.is_online(); };
  if (name == "offline") return [](const Device& one) { return !one.is_online(); };
  if (name == "claimable") return [](const Device& one) { return one.facts().state == "connected"; };
  if (name == "enrolled") return [](const Device& one) { return one.facts().phase == Phase::enrolled; };
  if (name == "refused") return [](const Device& one) { return one.facts().phase == Phase::refused; };
  if (name == "waiting") return [](const Device& one) { return one.facts().phase == Phase::waiting_for_ledger; };
  if (name == "unreachable") return [](const Device& one) { return one.facts().check == "unreachable"; };
  if (name == "uploaded") return [](const Device& one) { return one.facts().queued == 0; };
  if (name == "renewed") {
    return [this](const Device& one) {
      const auto before = marked_.find(&one);
      return before != marked_.end() && one.is_online() && one.facts().serial != before->second;
    };
  }
  return failf(Errc::malformed, "wait: found condition {}, want one of fleet.h", name);
}

net::Task<Result<Object>> Fleet::wait(Json order) {
  CO_TRY(const auto chosen, choose(order));
  CO_TRY(const std::string name, order.text_at("for"));
  CO_TRY(const auto limit, order.integer_at("limit"));
  CO_TRY(const auto least, number_or(order, "least", static_cast<std::int64_t>(chosen.size())));
  CO_TRY(const auto holds, condition(name));
  const Instant begun = world_.clock.monotonic();
  const net::Deadline deadline{seconds(limit)};
  for (;;) {
    const auto found = std::ranges::count_if(chosen, [&](const Device* one) { return holds(*one); });
    const std::chrono::duration<double> spent = world_.clock.monotonic() - begun;
    if (found >= least) co_return Object{{"seconds", spent.count()}, {"found", std::int64_t{found}}};
    if (deadline.passed()) {
      CO_TRY(auto counted, count(order));
      counted["error"] = fmt::format("found {} {} within {} s, want {}", found, name, limit, least);
      co_return counted;
    }
    co_await net::sleep_for(kLook);
  }
}

Result<Object> Fleet::mark(const Json& order) {
  TRY(const auto chosen, choose(order));
  for (const Device* device : chosen) marked_[device] = device->facts().serial;
  return Object{{"devices", chosen.size()}};
}

Result<Object> Fleet::count(const Json& order) const {
  TRY(const auto chosen, choose(order));
  std::map<std::string, std::map<std::string, std::int64_t>> counts;
  for (const Device* device : chosen) {
    const Facts facts = device->facts();
    ++counts["awake"][facts.awake ? "yes" : "no"];
    ++counts["phases"][std::string(to_string(facts.phase))];
    ++counts["control"][std::string(to_string(facts.control))];
    ++counts["issuers"][facts.issuer];
    ++counts["roots"][facts.root];
    ++counts["checks"][facts.check];
    if (!facts.error.empty()) ++counts["errors"][facts.error];
  }
  Object out;
  for (const auto& [what, values] : counts) {
    Object in_json;
    for (const auto& [value, number] : values) in_json.emplace(value, number);
    out.emplace(what, std::move(in_json));
  }
  out.emplace("process", use_of_this_process());
  return out;
}

Result<Object> Fleet::list(const Json& order) const {
  TRY(const auto chosen, choose(order));
  Json::Array out;
  for (const Device* device : chosen) out.push_back(to_json(device->serial_id(), device->facts()));
  return Object{{"devices", std::move(out)}};
}

}  // namespace sallyport::fleet
