// The authority out of reach for 3, 10 and 20 minutes: what a relay's lease rules promise (DESIGN §8) is what happens.
#include "relay/detail/test_relay.h"

namespace sallyport::relay::testing {
namespace {

constexpr seconds kStep{5};                // shorter than any silence that ends a control connection
constexpr milliseconds kBetweenSteps{30};  // in which a ping and its answer cross

class Partition : public RelayTest {
 public:
  // Time passes for the relay and for a device that goes on with its keep-alive.
  static net::Task<void> pass(Partition& t, FakeAgent& device, seconds time) {
    for (seconds passed{0}; passed < time; passed += kStep) {
      t.clock_.advance(kStep);
      co_await FakeAgent::tick(device);
      co_await net::sleep_for(kBetweenSteps);
    }
  }
  // What a user sees who comes with a grant that the relay had before.
  static net::Task<bool> may_enter(Partition& t, std::uint16_t port, const tunnel::AccessGrant& grant) {
    co_return (co_await visit(t.tree_, port, t.host_of(grant))).has_value();
  }
  static net::Task<bool> may_come_online(FakeAgent& device, std::uint16_t port) {
    co_await FakeAgent::run(device, port, device.control_name());
    co_return device.accepted;
  }
};

// What lives at the end of a partition.
struct Promise {
  bool user;    // who was inside when it began; his grant ended after 5 minutes, renewed by nobody
  bool device;  // its control connection
};

net::Task<void> lasts(Partition& t, FakeAgent& device, FakeAgent& newcomer, std::uint16_t port, seconds time,
                      Promise promise) {
  CO_ASSERT(co_await t.worker_ready());
  CO_ASSERT(co_await RelayTest::online(device, port));
  const auto grant = t.make_grant(device.name);
  const auto unused = t.make_grant(device.name);
  CO_ASSERT(co_await t.granted(grant));
  CO_ASSERT(co_await t.granted(unused));
  auto inside = co_await visit(t.tree_, port, t.host_of(grant));
  CO_ASSERT(inside.has_value());
  CO_ASSERT((co_await exchange(**inside, to_bytes("before"))).has_value());

  t.authority_->set_reachable(false);
  co_await Partition::pass(t, device, seconds(10));
  EXPECT_FALSE(t.worker().counts().has_lease);
  EXPECT_FALSE(co_await Partition::may_enter(t, port, unused)) << "a grant in date, but no lease to admit its user by";
  EXPECT_FALSE(co_await Partition::may_come_online(newcomer, port));
  CO_ASSERT((co_await exchange(**inside, to_bytes("meanwhile"))).has_value());

  co_await Partition::pass(t, device, time - seconds(10));
  EXPECT_EQ((co_await exchange(**inside, to_bytes("at the end"))).has_value(), promise.user);
  EXPECT_EQ(!device.over, promise.device);
  EXPECT_FALSE(co_await Partition::may_come_online(newcomer, port));
  EXPECT_FALSE(co_await Partition::may_enter(t, port, unused));
}

net::Task<void> heals(Partition& t, FakeAgent& device, FakeAgent& newcomer, std::uint16_t port) {
  t.authority_->set_reachable(true);
  CO_ASSERT(co_await until([&] { return t.worker().counts().has_lease; }));
  CO_ASSERT(co_await RelayTest::online(newcomer, port));
  if (device.over) CO_ASSERT(co_await RelayTest::online(device, port));
  const auto grant = t.make_grant(device.name);
  CO_ASSERT(co_await t.granted(grant));
  EXPECT_TRUE(co_await Partition::may_enter(t, port, grant));
}

net::Task<void> lasts_and_heals(Partition& t, FakeAgent& device, FakeAgent& newcomer, std::uint16_t port, seconds time,
                                Promise promise) {
  co_await lasts(t, device, newcomer, port, time, promise);
  co_await heals(t, device, newcomer, port);
}

TEST_F(Partition, Of3MinutesAdmitsNobodyAndEndsNothing) {
  const auto device = make_device();
  const auto newcomer = make_device();
  const auto port = start_worker();
  run(lasts_and_heals(*this, *device, *newcomer, port, seconds(180), {.user = true, .device = true}));
}

TEST_F(Partition, Of10MinutesEndsUsersWithTheirGrantsAndKeepsDevices) {
  const auto device = make_device();
  const auto newcomer = make_device();
  const auto port = start_worker();
  run(lasts_and_heals(*this, *device, *newcomer, port, seconds(600), {.user = false, .device = true}));
}

TEST_F(Partition, Of20MinutesEndsEverything) {
  const auto device = make_device();
  const auto newcomer = make_device();
  const auto port = start_worker();
  run(lasts_and_heals(*this, *device, *newcomer, port, seconds(1'200), {.user = false, .device = false}));
}

}  // namespace
}  // namespace sallyport::relay::testing
