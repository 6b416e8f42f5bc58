#include "relay/resumption.h"

#include "relay/detail/test_relay.h"

namespace sallyport::relay::testing {
namespace {

// ---- what is sealed

class Sealed : public ::testing::Test {
 public:
  ResumptionKeys keys_of(net::Descriptor memory, bool turns) {
    return ResumptionKeys(std::move(memory), turns, {&tree_.root, 1}, clock_, random_);
  }
  net::Descriptor shared() const { return net::Descriptor(::fcntl(memory_.get(), F_DUPFD_CLOEXEC, 0)); }
  Resumption resumption() {
    return {.key = crypto::Psk::from(Bytes(crypto::kPskBytes, 7)).value(),
            .certificate = {.name = DeviceName("abcdefghij"),
                            .serial = pki::SerialNumber::draw(random_),
                            .issuer_serial = pki::SerialNumber::draw(random_),
                            .not_after = clock_.now() + kDay}};
  }

  ManualClock clock_{kNow};
  SeededRandom random_{1};
  Tree tree_;
  net::Descriptor memory_ = make_resumption_memory().value();
};

TEST_F(Sealed, OpensToWhatItWasAndToNobodyElse) {
  const auto keys = keys_of({}, false);
  const Resumption made = resumption();
  const Bytes identity = keys.seal(made).value();
  EXPECT_LE(identity.size(), tunnel::kMaxResumptionIdentity);
  const auto opened = keys.open(identity);
  ASSERT_TRUE(opened.has_value()) << opened.error().detail;
  EXPECT_TRUE(opened->key.equals(made.key.expose()));
  EXPECT_EQ(opened->certificate.name, made.certificate.name);
  EXPECT_EQ(opened->certificate.serial, made.certificate.serial);
  EXPECT_EQ(opened->certificate.issuer_serial, made.certificate.issuer_serial);
  EXPECT_EQ(opened->certificate.not_after, made.certificate.not_after);
  EXPECT_EQ(keys_of({}, false).open(identity).error().code, Errc::unauthorized);
}

TEST_F(Sealed, EveryChangedByteIsRefused) {
  const auto keys = keys_of({}, false);
  const Bytes identity = keys.seal(resumption()).value();
  for (std::size_t i = 0; i < identity.size(); ++i) {
    Bytes changed = identity;
    changed[i] ^= 1;
    EXPECT_EQ(keys.open(changed).error().code, Errc::unauthorized) << i;
    EXPECT_EQ(keys.open(ByteView(identity).first(i)).error().code, Errc::unauthorized) << i;
  }
}

TEST_F(Sealed, LivesTwelveHoursAndNoLongerThanTheCertificate) {
  const auto keys = keys_of({}, false);
  Resumption brief = resumption();
  brief.certificate.not_after = clock_.now() + seconds(60);
  const Bytes long_one = keys.seal(resumption()).value();
  const Bytes short_one = keys.seal(brief).value();
  clock_.advance(seconds(61));
  EXPECT_EQ(keys.open(short_one).error().code, Errc::expired);
  clock_.advance(kResumptionLife - seconds(62));
  EXPECT_TRUE(keys.open(long_one).has_value());
  clock_.advance(seconds(1));
  EXPECT_EQ(keys.open(long_one).error().code, Errc::expired);
}

TEST_F(Sealed, AnotherWorkerOpensItAndAfterThreeTurnsNobody) {
  auto first = keys_of(shared(), true);
  auto second = keys_of(shared(), false);
  const Bytes identity = second.seal(resumption()).value();
  EXPECT_TRUE(first.open(identity).has_value());
  EXPECT_TRUE(keys_of(shared(), false).open(identity).has_value());
  for (std::size_t turn = 1; turn <= kResumptionKeys; ++turn) {
    const auto opened = second.open(identity);
    EXPECT_TRUE(opened || opened.error().code == Errc::expired) << turn;
    clock_.advance(kResumptionKeyTurn);
    first.on_round();
    second.on_round();
  }
  EXPECT_EQ(first.open(identity).error().code, Errc::unauthorized);
  EXPECT_EQ(second.open(identity).error().code, Errc::unauthorized);
  EXPECT_TRUE(first.open(second.seal(resumption()).value()).has_value());
}

TEST_F(Sealed, ARestartOfTheOneThatTurnsThemKeepsTheKeys) {
  const Bytes identity = keys_of(shared(), true).seal(resumption()).value();
  EXPECT_TRUE(keys_of(shared(), true).open(identity).has_value());
}

TEST_F(Sealed, NothingIsGivenBeforeThereIsAKey) {
  auto waits = keys_of(shared(), false);
  EXPECT_FALSE(waits.seal(resumption()).has_value());
  const auto turns = keys_of(shared(), true);
  waits.on_round();
  EXPECT_TRUE(turns.open(waits.seal(resumption()).value()).has_value());
}

TEST_F(Sealed, UnderOtherRootsNothingIsOpened) {
  auto turns = keys_of(shared(), true);
  const Bytes identity = turns.seal(resumption()).value();
  Tree other;
  const ResumptionKeys elsewhere(shared(), false, {&other.root, 1}, clock_, random_);
  EXPECT_EQ(elsewhere.open(identity).error().code, Errc::unauthorized);
}

// ---- devices that come back

class ComingBack : public RelayTest {
 public:
  ComingBack() { shared_keys_ = make_resumption_memory().value(); }

  // Connects, is given a resumption, and leaves.
  static net::Task<bool> visit_once(FakeAgent& device, std::uint16_t port) {
    if (!co_await online(device, port)) co_return false;
    co_return co_await until([&] { return device.resumption != nullptr; }) && co_await leave(device);
  }
  static net::Task<bool> leave(FakeAgent& device) {
    device.hang_up();
    co_return co_await until([&] { return device.over; });
  }
};

TEST_F(ComingBack, WithoutACertificateTheDeviceIsKnown) {
  play<ComingBack>(
      [](ComingBack& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        CO_ASSERT(co_await t.worker_ready());
        CO_ASSERT(co_await visit_once(device, at));
        EXPECT_FALSE(device.resumed);
        const auto first = device.resumption;
        CO_ASSERT(co_await online(device, at));
        EXPECT_TRUE(device.resumed);
        CO_ASSERT(co_await until([&] { return t.worker().counts().devices == 1U; }));
        CO_ASSERT(co_await until([&] { return device.resumption != first; }));
        CO_ASSERT(co_await leave(device));
        CO_ASSERT(co_await online(device, at));
        EXPECT_TRUE(device.resumed) << "with what the resumed connection gave";
      },
      settings(0, 1));
}

TEST_F(ComingBack, ARevocationIsSeen) {
  play<ComingBack>(
      [](ComingBack& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        CO_ASSERT(co_await t.worker_ready());
        CO_ASSERT(co_await visit_once(device, at));
        const auto applied = t.worker().counts().snapshot;
        t.authority_->set_certificate(device.operational.certificate, device.name, true);
        t.authority_->publish();
        CO_ASSERT(co_await until([&] { return t.worker().counts().snapshot > applied; }));
        device.accepted = false;
        co_await FakeAgent::run(device, at, device.control_name());
        EXPECT_TRUE(device.resumed);
        EXPECT_FALSE(device.accepted);
        EXPECT_EQ(t.worker().counts().devices, 0U);
      },
      settings(0, 1));
}

TEST_F(ComingBack, AResumptionOpensNoOtherDevice) {
  const auto agent = make_device();
  const auto victim = make_device();
  const auto port = start_worker();
  run([](ComingBack& t, FakeAgent& device, FakeAgent& other, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    CO_ASSERT(co_await visit_once(device, at));
    device.accepted = false;
    co_await FakeAgent::run(device, at, other.control_name());
    EXPECT_TRUE(device.resumed);
    EXPECT_FALSE(device.accepted);
  }(*this, *agent, *victim, port));
}

TEST_F(ComingBack, AWorkerThatWasReplacedTakesTheResumptionsOfTheOneBefore) {
  play<ComingBack>(
      [](ComingBack& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        CO_ASSERT(co_await t.worker_ready());
        CO_ASSERT(co_await visit_once(device, at));
        t.workers_.clear();
        t.listeners_.clear();
        const auto again = t.start_worker();
        CO_ASSERT(co_await t.worker_ready());
        CO_ASSERT(co_await online(device, again));
        EXPECT_TRUE(device.resumed);
      },
      settings(0, 1));
}

TEST_F(ComingBack, ARelayThatLostItsKeysAsksForTheCertificate) {
  play<ComingBack>(
      [](ComingBack& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        CO_ASSERT(co_await t.worker_ready());
        CO_ASSERT(co_await visit_once(device, at));
        t.workers_.clear();
        t.listeners_.clear();
        t.shared_keys_ = make_resumption_memory().value();
        const auto again = t.start_worker();
        CO_ASSERT(co_await t.worker_ready());
        CO_ASSERT(co_await online(device, again));
        EXPECT_FALSE(device.resumed);
      },
      settings(0, 1));
}

}  // namespace
}  // namespace sallyport::relay::testing
