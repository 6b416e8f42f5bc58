#include "device_access.h"

#include "codec/text.h"
#include "net/connect.h"
#include "net/tls_stream.h"
#include "pki/key_certificate.h"
#include "pki/verify.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::size_t kDevicesPerPage = 500;
constexpr std::string_view kHostSuffix = ".sallyport";

bool is_named(const Json& device, std::string_view text) {
  const auto serial_id = device.text_at("serial_id");
  const auto site = device.text_at("site");
  const auto name = device.text_at("name");
  if (name && *name == text) return true;
  return serial_id && site && (*serial_id == text || *site + "/" + *serial_id == text);
}

// The device's certificate leads to the installation's root and is this device's.
Result<void> check_device(std::span<const Bytes> der, const std::vector<pki::Certificate>& roots, const DnsName& zone,
                          const DeviceName& name, UnixTime now) {
  TRY(const auto chain, pki::parse_chain(der));
  TRY(const auto verified,
      pki::verify_chain(chain, roots, pki::WebDevicePurpose{.zone = zone}, pki::TimeRule::clock(now)));
  if (verified.identity_as<DeviceName>() == name) return {};
  return fail(Errc::unauthorized, "certificate: is another device's");
}

// What a TLS alert from the other side means here.
Error explain(Error error) {
  if (error.detail.contains("access denied")) {
    error.detail = "refused there: by its switch, by somebody on the spot, or because it finds the grant invalid";
  } else if (error.detail.contains("unrecognized name")) {
    error.detail = "the relay knows no live session for this connection";
  } else if (error.detail.contains("internal error")) {
    error.code = Errc::unavailable;
    error.detail = "did not take the connection: it is busy, cannot dial back, or has no web certificate yet";
  }
  return error;
}

}  // namespace

DeviceAccess::DeviceAccess(AccessOrder order, ConsoleClient console, Environment& environment, net::Executor executor)
    : order_(std::move(order)),
      console_(std::move(console)),
      environment_(environment),
      key_(std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate())),
      renewed_(std::move(executor)) {
  if (order_.device.ends_with(kHostSuffix)) order_.device.resize(order_.device.size() - kHostSuffix.size());
}

net::Task<Result<std::unique_ptr<DeviceAccess>>> DeviceAccess::open(AccessOrder order, SecretBytes password,
                                                                    Environment& environment) {
  CO_TRY(auto console, co_await ConsoleClient::log_in(order.login, std::move(password), environment.clock));
  auto executor = co_await net::current_executor();
  std::unique_ptr<DeviceAccess> access(
      new DeviceAccess(std::move(order), std::move(console), environment, std::move(executor)));
  if (auto prepared = co_await access->prepare(); !prepared) {
    co_await access->close();
    co_return std::unexpected(std::move(prepared).error());
  }
  co_return std::move(access);
}

net::Task<Result<void>> DeviceAccess::prepare() {
  CO_TRY(const auto session, co_await console_.get("/session"));
  CO_TRY(const auto about, session.at("console"));
  CO_TRY(const auto zone_text, about.text_at("zone"));
  CO_TRY(const auto zone, parse_dns_name(zone_text));
  CO_TRY(const auto port, about.integer_at("public_port"));
  port_ = static_cast<std::uint16_t>(port);
  CO_TRY(const auto name, co_await look_up());
  CO_TRY(name_, parse_device_name(name));
  CO_TRY_VOID(make_context(zone));
  co_return co_await ask_grant();
}

// The device's name: as given, or found page by page.
net::Task<Result<std::string>> DeviceAccess::look_up() {
  if (parse_device_name(order_.device)) {
    const auto named = co_await console_.get("/devices/" + order_.device);
    if (named) co_return order_.device;
    if (named.error().code != Errc::not_found) co_return std::unexpected(named.error());
  }
  std::vector<Json> found;
  std::string after;
  do {
    CO_TRY(const auto page, co_await console_.get(fmt::format("/devices?limit={}{}", kDevicesPerPage, after)));
    CO_TRY(const auto listed, page.at("devices"));
    CO_TRY(const auto devices, listed.array());
    for (const Json& device : devices) {
      if (is_named(device, order_.device)) found.push_back(device);
    }
    CO_TRY(const auto next, page.at("next"));
    const auto place = next.text();
    after = place ? "&after=" + *place : std::string();
  } while (!after.empty());
  if (found.empty()) co_return failf(Errc::not_found, "device {}: there is none", order_.device);
  if (found.size() > 1) co_return failf(Errc::conflict, "device {0}: found at two sites, want SITE/{0}", order_.device);
  auto name = found.front().text_at("name");
  if (!name) co_return failf(Errc::conflict, "device {}: has never connected", order_.device);
  co_return *std::move(name);
}

Result<void> DeviceAccess::make_context(const DnsName& zone) {
  TRY(const auto certificate, pki::make_key_certificate(*key_, environment_.random, environment_.clock.now()));
  crypto::TlsClientSettings settings;
  settings.identity = crypto::TlsIdentity{.chain = {to_bytes(certificate.der())}, .key = key_};
  settings.verify_server = [roots = order_.login.roots, zone, name = name_,
                            &clock = environment_.clock](std::span<const Bytes> chain) {
    return check_device(chain, roots, zone, name, clock.now());
  };
  TRY(context_, crypto::TlsContext::client(std::move(settings)));
  return {};
}

net::Task<Result<void>> DeviceAccess::ask_grant() {
  const auto key_hash = crypto::sha256(key_->public_key().spki());
  Json body(Json::Object{{"service", order_.service.get()}, {"client_key_sha256", codec::encode_hex(key_hash)}});
  auto granted = co_await console_.post(fmt::format("/devices/{}/grants", name_.get()), std::move(body));
  if (!granted) {
    const std::string where = fmt::format("device {}, service {}", order_.device, order_.service.get());
    co_return std::unexpected(std::move(granted).error().at(where));
  }
  CO_TRY(const auto host, granted->text_at("host"));
  CO_TRY(host_, parse_dns_name(host));
  granted_at_ = environment_.clock.monotonic();
  ++grants_;
  co_return Result<void>{};
}

// One at a time; whoever waited for another's takes that one, or its failure.
net::Task<Result<void>> DeviceAccess::renew(std::uint64_t known) {
  if (is_renewing_) {
    static_cast<void>(co_await renewed_.wait(net::Deadline::never()));
    if (grants_ == known && renewal_) co_return *renewal_;
  }
  if (grants_ != known) co_return Result<void>{};
  is_renewing_ = true;
  renewed_.clear();
  auto granted = co_await ask_grant();
  is_renewing_ = false;
  renewal_ = granted;
  renewed_.set();
  co_return granted;
}

net::Task<Result<net::StreamPtr>> DeviceAccess::dial(DnsName host) {
  net::Address address{.host = host.get(), .port = port_};
  if (order_.login.connect_to) address = *order_.login.connect_to;
  const net::Deadline deadline(kDeviceLimit);
  auto lower = co_await net::connect_tcp(std::move(address), deadline);
  if (!lower) co_return std::unexpected(std::move(lower).error().at("relay"));
  auto stream = co_await net::tls_connect(*std::move(lower), context_, host.get(), deadline);
  if (stream) co_return stream;
  co_return std::unexpected(explain(std::move(stream).error()).at("device " + order_.device));
}

net::Task<Result<net::StreamPtr>> DeviceAccess::connect() {
  const std::uint64_t known = grants_;
  const bool is_fresh = environment_.clock.monotonic() - granted_at_ < kFreshGrant;
  auto stream = co_await dial(host_);
  if (stream || is_fresh || stream.error().code != Errc::unauthorized) co_return stream;
  CO_TRY_VOID(co_await renew(known));
  co_return co_await dial(host_);
}

net::Task<void> DeviceAccess::close() {
  static_cast<void>(co_await console_.log_out());
}

}  // namespace sallyport::cli
