#include "device_access.h"

#include <cstdio>

#include "codec/text.h"
#include "net/connect.h"
#include "net/tls_stream.h"
#include "pki/key_certificate.h"
#include "pki/verify.h"
#include "tunnel/limits.h"

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

// What a refusal of the device's own port means.
Error explain(tunnel::RefuseCode code) {
  using enum tunnel::RefuseCode;
  switch (code) {
    case no_such_service:
      return {.code = Errc::not_found, .detail = "does not offer this service"};
    case remote_access_off:
      return {.code = Errc::unauthorized, .detail = "refused there: remote access is switched off on the device"};
    case consent_denied:
      return {.code = Errc::unauthorized, .detail = "refused there: nobody on the spot consented"};
    case grant_expired:
      return {.code = Errc::unauthorized, .detail = "refused there: the grant has expired, by the device's clock"};
    case service_down:
    case busy:
      return {.code = Errc::unavailable,
              .detail = "did not take the connection: it is busy, or has no web certificate yet"};
    default:
      return {.code = Errc::unauthorized, .detail = "refused there: it finds the grant invalid, or cut"};
  }
}

}  // namespace

DeviceAccess::DeviceAccess(AccessOrder order, ConsoleClient console, Environment& environment, net::Executor executor)
    : order_(std::move(order)),
      console_(std::move(console)),
      environment_(environment),
      key_(std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate())),
      renewed_(executor),
      answered_(executor),
      released_(std::move(executor)) {
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
  if (order_.direct) settings.alpn = {std::string(tunnel::kDirectAlpn)};
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
  Json::Object body{{"service", order_.service.get()}, {"client_key_sha256", codec::encode_hex(key_hash)}};
  if (order_.direct) body.emplace("direct", true);
  auto granted = co_await ask(fmt::format("/devices/{}/grants", name_.get()), std::move(body));
  if (!granted) {
    const std::string where = fmt::format("device {}, service {}", order_.device, order_.service.get());
    co_return std::unexpected(std::move(granted).error().at(where));
  }
  CO_TRY(const auto host, granted->text_at("host"));
  CO_TRY(host_, parse_dns_name(host));
  CO_TRY(session_, granted->text_at("grant_id"));
  if (order_.direct) CO_TRY_VOID(take_grant(*granted));
  granted_at_ = environment_.clock.monotonic();
  is_shown_ = true;  // with the connection for which it was asked
  is_told_used_ = false;
  ++grants_;
  co_return Result<void>{};
}

net::Task<Result<Json>> DeviceAccess::ask(std::string path, Json body) {
  while (is_asking_) static_cast<void>(co_await answered_.wait(net::Deadline::never()));
  is_asking_ = true;
  answered_.clear();
  auto answer = co_await console_.post(std::move(path), std::move(body));
  is_asking_ = false;
  answered_.set();
  co_return answer;
}

Result<void> DeviceAccess::take_grant(const Json& answer) {
  TRY(const auto text, answer.text_at("grant"));
  TRY(auto sealed, codec::decode_base64url(text));
  if (sealed.empty() || sealed.size() > tunnel::kMaxSealedGrant)
    return failf(Errc::malformed, "console: a grant of {} bytes", sealed.size());
  if (sealed != sealed_) granted_at_ = environment_.clock.monotonic();
  is_shown_ = sealed == sealed_ && is_shown_;
  sealed_ = std::move(sealed);
  return {};
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

net::Task<Result<net::StreamPtr>> DeviceAccess::dial(DnsName host, tunnel::DirectPurpose purpose) {
  net::Address address{.host = host.get(), .port = port_};
  if (order_.login.connect_to) address = *order_.login.connect_to;
  if (order_.direct) address = *order_.direct;
  const net::Deadline deadline(kDeviceLimit);
  auto lower = co_await net::connect_tcp(address, deadline);
  if (!lower) co_return std::unexpected(std::move(lower).error().at(order_.direct ? "device" : "relay"));
  auto stream = co_await net::tls_connect(*std::move(lower), context_, host.get(), deadline);
  const std::string where = "device " + order_.device;
  if (!stream && order_.direct)
    co_return std::unexpected(std::move(stream).error().at(fmt::format("{} at {}", where, net::to_string(address))));
  if (!stream) co_return std::unexpected(explain(std::move(stream).error()).at(where));
  // The relay passes on what it knows the label of, and the service would hear the grant.
  if (order_.direct && (*stream)->peer().alpn != tunnel::kDirectAlpn)
    co_return failf(Errc::conflict, "{}: what listens at {} is not its own port (the relay?)", where,
                    net::to_string(address));
  if (order_.direct) {
    auto shown = co_await show_grant(**stream, purpose, deadline);
    if (!shown) co_return std::unexpected(std::move(shown).error().at(where));
  }
  co_return stream;
}

net::Task<Result<void>> DeviceAccess::show_grant(net::Stream& device, tunnel::DirectPurpose purpose,
                                                 net::Deadline deadline) {
  const Bytes ask = tunnel::encode_direct_ask({.purpose = purpose, .sealed_grant = sealed_});
  CO_TRY_VOID(co_await device.write_all(ask, deadline));
  std::array<std::uint8_t, 1> answer{};
  CO_TRY_VOID(co_await net::read_exactly(device, answer, deadline));
  CO_TRY(const auto refused, tunnel::parse_direct_answer(answer.front()));
  if (refused) co_return std::unexpected(explain(*refused));
  co_return Result<void>{};
}

DeviceAccess::InUse::InUse(DeviceAccess& access, net::TaskGroup& group) : access_(access) {
  ++access_.in_use_;
  access_.released_.clear();
  if (access_.order_.direct && !std::exchange(access_.is_kept_up_, true))
    group.spawn(access_.keep_up(), "connect.upkeep");
}

DeviceAccess::InUse::~InUse() {
  if (--access_.in_use_ == 0) access_.released_.set();
}

net::Task<void> DeviceAccess::keep_up() {
  bool is_told = false;
  while (in_use_ > 0) {
    static_cast<void>(co_await released_.wait(kUpkeepStep));
    const bool is_old = environment_.clock.monotonic() - granted_at_ >= kAskForNewerGrant;
    if (in_use_ == 0 || (is_shown_ && is_told_used_ && !is_old)) continue;
    const auto renewed = co_await renew_directly();
    if (!renewed && !std::exchange(is_told, true))
      fmt::print(stderr, "sallyport: the session was not renewed: {}\n", renewed.error().detail);
    if (renewed) is_told = false;
  }
  is_kept_up_ = false;
}

net::Task<Result<void>> DeviceAccess::renew_directly() {
  if (is_shown_) {
    const std::string session = session_;
    CO_TRY(const auto answer, co_await ask(fmt::format("/sessions/{}/renew", session), Json::Object{}));
    // Another session may have taken its place meanwhile: the grant is not that one's.
    if (session == session_) CO_TRY_VOID(take_grant(answer));
    is_told_used_ = true;
  }
  if (is_shown_) co_return Result<void>{};
  CO_TRY(const auto stream, co_await dial(host_, tunnel::DirectPurpose::renew));
  is_shown_ = true;
  stream->close();
  co_return Result<void>{};
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
