// Roles of the tests that keep what they were told, and a device that is open to them.
#pragma once

#include <set>

#include "codec/text.h"
#include "installation.h"
#include "pki/signed_object.h"
#include "tunnel/grant.h"

namespace sallyport::integration {

inline const codec::Json kNothing{codec::Json::Object{}};

inline codec::Json named(std::string_view key, std::string_view value) {
  return codec::Json::Object{{std::string(key), value}};
}

// A role's connection that keeps the events it gets; as a relay it acknowledges every grant.
class Watcher {
 public:
  Watcher(Installation& t, std::string role) : t_(t), role_(std::move(role)) {}
  net::Task<bool> begin() {
    auto stream = co_await net::connect_unix(t_.socket("authority"), kCallLimit);
    if (!stream) co_return false;
    net::RpcOptions options;
    options.max_frame = records::kMaxRoleMessage;
    options.on_event = [this](Bytes event, net::Caller) { take(std::move(event)); };
    peer = net::RpcPeer::start(*std::move(stream), std::move(options));
    co_return (co_await call(records::RoleMethod::subscribe, records::encode(records::Subscribe{role_, 0, 0})))
        .has_value();
  }
  net::Task<Result<Bytes>> call(records::RoleMethod method, Bytes fields) {
    Bytes body = records::with_method(method, fields);
    co_return co_await peer->call(std::move(body), kCallLimit);
  }
  std::shared_ptr<net::RpcPeer> peer;
  std::vector<codec::Json> announced;
  std::set<Bytes> granted;  // sessions
  std::set<Bytes> cut;

 private:
  void take(Bytes event) {
    ByteView fields = event;
    const auto kind = records::take_method(fields);
    if (!kind) return;
    if (static_cast<records::RoleEvent>(*kind) == records::RoleEvent::admin) {
      if (auto json = codec::parse_json(as_text(fields))) announced.push_back(*std::move(json));
    }
    if (static_cast<records::RoleEvent>(*kind) == records::RoleEvent::cut) {
      if (auto ended = records::parse_cut_event(fields)) cut.insert(ended->grant_id);
    }
    if (static_cast<records::RoleEvent>(*kind) == records::RoleEvent::grant) take_grant(fields);
  }
  void take_grant(ByteView sealed) {
    const std::vector<pki::Certificate> anchors = {t_.root()};
    const auto opened =
        pki::open_object(pki::ControlKind::grant, sealed, anchors, pki::TimeRule::clock(t_.clock().now()));
    if (!opened) return;
    const auto grant = tunnel::parse_grant(opened->payload());
    if (!grant) return;
    granted.insert(to_bytes(grant->session().get()));
    net::spawn(t_.io().executor(), acknowledge(to_bytes(grant->id.get())), "test.acknowledge");
  }
  net::Task<void> acknowledge(Bytes id) {
    static_cast<void>(co_await call(records::RoleMethod::grant_acknowledge, std::move(id)));
  }
  Installation& t_;
  std::string role_;
};

// A claimed device that is online at `relay`, with a web page.
inline net::Task<DeviceName> open_device(Installation& t, Watcher& relay, std::string serial_id, std::string tenant) {
  const Device device = t.make_device(serial_id);
  DeviceName name = draw_device_name(t.random());
  t.write([&](records::Records& records) -> Result<void> {
    TRY(auto record, records.devices().find(kSite, device.serial_id));
    record->name = name;
    record->state = records::DeviceState::claimed;
    record->tenant = tenant;
    record->remote_access = true;
    return records.devices().update(*record);
  });
  records::Presence presence;
  presence.device = name;
  presence.online = true;
  presence.device_switch = true;
  presence.services = {{ServiceName("web"), "http"}};
  EXPECT_TRUE((co_await relay.call(records::RoleMethod::presence, records::encode(presence))).has_value());
  co_return name;
}

}  // namespace sallyport::integration
