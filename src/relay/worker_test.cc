#include "relay/worker.h"

#include "relay/detail/test_relay.h"
#include "tunnel/client_hello.h"

namespace sallyport::relay::testing {
namespace {

using records::DeviceState;

class Control : public RelayTest {};

// ---- control connections

TEST_F(Control, DevicesOfEveryKindOfKeyAreAdmitted) {
  std::vector<std::unique_ptr<FakeAgent>> devices;
  for (const auto type :
       {crypto::KeyType::p256, crypto::KeyType::p384, crypto::KeyType::ed25519, crypto::KeyType::rsa}) {
    devices.push_back(make_device());
    FakeAgent& device = *devices.back();
    auto key = std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate(type));
    auto leaf = tree_.certify(pki::ProfileId::operational_device, tree_.online_ca, {device.host()}, key->public_key());
    device.operational = {.certificate = std::move(leaf), .key = std::move(key)};
    authority_->set_certificate(device.operational.certificate, device.name);
  }
  const auto port = start_worker();
  run([](Control& t, std::vector<std::unique_ptr<FakeAgent>>& all, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    for (const auto& device : all) CO_ASSERT(co_await online(*device, at));
    EXPECT_EQ(t.worker().counts().devices, all.size());
  }(*this, devices, port));
}

TEST_F(Control, DeviceIsAdmittedAndReported) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](Control& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    CO_ASSERT(co_await online(device, at));
    EXPECT_EQ(t.worker().counts().devices, 1U);
    CO_ASSERT(co_await until([&] { return !t.authority_->presences.empty(); }));
    const auto& presence = t.authority_->presences.front();
    EXPECT_TRUE(presence.online && presence.device_switch);
    EXPECT_EQ(presence.device, device.name);
    CO_ASSERT(presence.services.size() == 1);
    EXPECT_EQ(presence.services.front().kind, "http");
    device.hang_up();
    CO_ASSERT(co_await until([&] { return !t.authority_->presences.back().online; }));
    EXPECT_EQ(t.worker().counts().devices, 0U);
  }(*this, *agent, port));
}

TEST_F(Control, PresenceIsToldAgainToAnAuthorityThatCameBack) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](Control& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    CO_ASSERT(co_await online(device, at));
    CO_ASSERT(co_await until([&] { return t.authority_->presences.size() == 1; }));
    t.authority_->break_connections();
    CO_ASSERT(co_await until([&] { return t.authority_->presences.size() == 2; }));
    EXPECT_TRUE(t.authority_->presences.back().online);
    EXPECT_EQ(t.authority_->subscriptions, 2U);
    EXPECT_FALSE(device.over);
  }(*this, *agent, port));
}

TEST_F(Control, PresencesThatWereNotTakenAreToldAgain) {
  const auto agent = make_device();
  const auto other = make_device();
  authority_->busy_for = 2;
  const auto port = start_worker();
  run([](Control& t, FakeAgent& device, FakeAgent& second, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    CO_ASSERT(co_await online(device, at));
    CO_ASSERT(co_await online(second, at));
    const auto& told = t.authority_->presences;
    CO_ASSERT(co_await until([&] { return told.size() == 2U; }));
    EXPECT_TRUE(told.front().online && told.back().online);
    EXPECT_NE(told.front().device, told.back().device);
    device.hang_up();
    second.hang_up();
    CO_ASSERT(co_await until([&] { return told.size() == 4U; }));
    EXPECT_FALSE(told.at(2).online || told.at(3).online);
  }(*this, *agent, *other, port));
}

// The refusal of a device, as it sees it.
net::Task<std::string> refusal(Control&, FakeAgent& agent, std::uint16_t port, std::string server_name) {
  co_await FakeAgent::run(agent, port, std::move(server_name));
  co_return agent.accepted ? "accepted" : agent.error;
}

TEST_F(Control, UnknownNameGetsUnrecognizedName) {
  const auto agent = make_device();
  authority_->set_device(agent->name, DeviceState::suspended);
  const auto port = start_worker();
  run([](Control& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    for (const std::string& name : {"aaaaaaaaaa.relay." + kZone.get(), device.control_name(), "x." + kZone.get(),
                                    std::string("www.example.com")}) {
      const std::string error = co_await refusal(t, device, at, name);
      EXPECT_NE(error.find("unrecognized name"), std::string::npos) << name << ": " << error;
    }
    EXPECT_EQ(t.worker().counts().devices, 0U);
  }(*this, *agent, port));
}

TEST_F(Control, CertificateOfAnotherDeviceIsRefused) {
  const auto agent = make_device();
  const auto victim = make_device();
  const auto port = start_worker();
  run([](Control& t, FakeAgent& device, FakeAgent& other, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    EXPECT_EQ(co_await refusal(t, device, at, other.control_name()), "");
    EXPECT_TRUE(t.authority_->presences.empty());
  }(*this, *agent, *victim, port));
}

TEST_F(Control, CertificateOutsideTheRecordIsAskedForOnceAndRefused) {
  const auto agent = std::make_unique<FakeAgent>(io_.executor(), clock_, tree_, draw_device_name(random_), 1);
  authority_->set_device(agent->name, DeviceState::claimed);
  const auto port = start_worker();
  run([](Control& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    EXPECT_EQ(co_await refusal(t, device, at, device.control_name()), "");
    EXPECT_EQ(t.authority_->look_ups, 1U);
    t.authority_->answer_look_up = records::SnapshotCertificate{
        .ca = records::CaName("online-ca"),
        .serial = records::CertificateSerial(to_bytes(device.operational.certificate.serial().content())),
        .kind = records::CertificateKind::operational,
        .subject = device.name.get(),
        .not_after = device.operational.certificate.validity().not_after};
    CO_ASSERT(co_await online(device, at));
    EXPECT_EQ(t.authority_->look_ups, 2U);
  }(*this, *agent, port));
}

TEST_F(Control, RevokedCertificateIsRefusedAndALaterRevocationCuts) {
  const auto agent = make_device();
  const auto revoked = make_device();
  authority_->set_certificate(revoked->operational.certificate, revoked->name, true);
  const auto port = start_worker();
  run([](Control& t, FakeAgent& device, FakeAgent& bad, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    EXPECT_NE(co_await refusal(t, bad, at, bad.control_name()), "accepted");
    CO_ASSERT(co_await online(device, at));
    t.authority_->set_certificate(device.operational.certificate, device.name, true);
    t.authority_->publish();
    CO_ASSERT(co_await until([&] { return device.over; }));
    CO_ASSERT(device.go_away.has_value());
    EXPECT_EQ(device.go_away->reason, tunnel::GoAwayReason::not_admitted);
    EXPECT_EQ(t.worker().counts().devices, 0U);
  }(*this, *agent, *revoked, port));
}

TEST_F(Control, SuspendedDeviceIsCut) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](Control& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    CO_ASSERT(co_await online(device, at));
    t.authority_->set_device(device.name, DeviceState::suspended);
    t.authority_->publish();
    CO_ASSERT(co_await until([&] { return device.over; }));
  }(*this, *agent, port));
}

TEST_F(Control, WithoutALeaseNobodyNewIsAdmittedAndAfter15MinutesNobodyStays) {
  const auto agent = make_device();
  const auto late = make_device();
  const auto port = start_worker();
  run([](Control& t, FakeAgent& device, FakeAgent& newcomer, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    CO_ASSERT(co_await online(device, at));
    t.authority_->leases = false;
    t.clock_.advance(seconds(6));
    EXPECT_FALSE(t.worker().counts().has_lease);
    EXPECT_NE(co_await refusal(t, newcomer, at, newcomer.control_name()), "accepted");
    EXPECT_FALSE(device.over);
    t.clock_.advance(seconds(900));
    CO_ASSERT(co_await until([&] { return device.over; }));
  }(*this, *agent, *late, port));
}

TEST_F(Control, NewerConnectionDisplacesTheOlder) {
  const auto agent = make_device(1);
  const auto again = std::make_unique<FakeAgent>(io_.executor(), clock_, tree_, agent->name, 2);
  authority_->set_certificate(again->operational.certificate, again->name);
  const auto port = start_worker();
  run([](Control& t, FakeAgent& first, FakeAgent& second, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    CO_ASSERT(co_await online(first, at));
    CO_ASSERT(co_await until([&] { return t.authority_->presences.size() == 1; }));
    CO_ASSERT(co_await online(second, at));
    CO_ASSERT(co_await until([&] { return first.over; }));
    CO_ASSERT(first.go_away.has_value());
    EXPECT_EQ(first.go_away->reason, tunnel::GoAwayReason::displaced);
    EXPECT_EQ(t.worker().counts().devices, 1U);
    CO_ASSERT(co_await until([&] { return t.authority_->presences.size() == 2; }));
    EXPECT_TRUE(t.authority_->presences.back().online);
  }(*this, *agent, *again, port));
}

TEST_F(Control, ShutDownSendsEverybodyAway) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](Control& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    CO_ASSERT(co_await online(device, at));
    co_await t.worker().shut_down();
    CO_ASSERT(co_await until([&] { return device.over; }));
    CO_ASSERT(device.go_away.has_value());
    EXPECT_EQ(device.go_away->reason, tunnel::GoAwayReason::restarting);
  }(*this, *agent, port));
}

}  // namespace
}  // namespace sallyport::relay::testing
