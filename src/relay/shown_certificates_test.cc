#include "relay/shown_certificates.h"

#include "relay/detail/test_relay.h"

namespace sallyport::relay::testing {
namespace {

constexpr std::size_t kFew = 4;

using Chain = std::vector<Bytes>;

class Shown : public ::testing::Test {
 public:
  Shown() { shown_.use({tree_.online_ca.certificate}, root_crls({})); }

  Issued make_device(const Issued& ca) { return make_device(ca, draw_device_name(random_)); }
  Issued make_device(const Issued& ca, const DeviceName& name) {
    return tree_.make_leaf(pki::ProfileId::operational_device, ca, {name.get() + "." + kZone.get()});
  }
  static Bytes der(const Issued& issued) { return to_bytes(issued.certificate.der()); }
  std::vector<pki::VerifiedCrl> root_crls(std::vector<pki::SerialNumber> revoked) const {
    return pki::verify_root_crls(std::array{pki::parse_crl(tree_.root_crl(std::move(revoked))).value()},
                                 std::array{tree_.root}, pki::TimeRule::floor(UnixTime(0)));
  }
  Errc refusal(const Chain& chain) {
    const auto verified = shown_.verify(chain, now_);
    EXPECT_FALSE(verified) << "taken";
    return verified ? Errc::internal : verified.error().code;
  }
  bool is_taken(const Chain& chain) {
    const auto verified = shown_.verify(chain, now_);
    EXPECT_TRUE(verified) << verified.error().detail;
    return verified.has_value();
  }

  crypto::SystemRandom random_;
  Tree tree_;
  UnixTime now_ = kNow;
  ShownCertificates shown_{{tree_.root}, kZone, kFew};
};

TEST_F(Shown, ALeafIsTakenWithItsCaAndAlone) {
  const auto name = draw_device_name(random_);
  const auto device = make_device(tree_.online_ca, name);
  for (const auto& chain : {Chain{der(device), der(tree_.online_ca)}, Chain{der(device)}}) {
    for (int again = 0; again < 2; ++again) {
      const auto verified = shown_.verify(chain, now_);
      ASSERT_TRUE(verified) << verified.error().detail;
      EXPECT_EQ(verified->name, name);
      EXPECT_EQ(verified->serial, device.certificate.serial());
      EXPECT_EQ(verified->issuer_serial, tree_.online_ca.certificate.serial());
      EXPECT_EQ(verified->not_after, device.certificate.validity().not_after);
    }
  }
  EXPECT_EQ(shown_.remembered(), 1U);
}

TEST_F(Shown, NothingIsTaken) {
  EXPECT_EQ(refusal({}), Errc::unauthorized);
  EXPECT_EQ(refusal({Bytes{}}), Errc::malformed);
}

TEST_F(Shown, ALeafAloneOfACaThatWeDoNotHaveIsRefused) {
  ASSERT_EQ(tree_.other_ca.certificate.subject(), tree_.online_ca.certificate.subject());
  const auto device = make_device(tree_.other_ca);
  EXPECT_EQ(refusal({der(device)}), Errc::not_found);
  // With its chain it was good, and stays so; that it was seen makes it no better alone.
  EXPECT_TRUE(is_taken({der(device), der(tree_.other_ca)}));
  EXPECT_EQ(shown_.remembered(), 1U);
  EXPECT_EQ(refusal({der(device)}), Errc::not_found);
  shown_.use({tree_.online_ca.certificate, tree_.other_ca.certificate}, root_crls({}));
  EXPECT_TRUE(is_taken({der(device)}));
  shown_.use({}, root_crls({}));
  EXPECT_EQ(refusal({der(device)}), Errc::not_found);
}

TEST_F(Shown, ACaOfAnotherRootMakesNoDeviceOfOurs) {
  Tree other;
  const auto device = make_device(other.online_ca);
  EXPECT_EQ(refusal({der(device)}), Errc::not_found);
  EXPECT_EQ(refusal({der(device), to_bytes(other.online_ca.certificate.der())}), Errc::unauthorized);
  EXPECT_EQ(refusal({der(device), der(tree_.online_ca)}), Errc::unauthorized);
  // Not even where the list of CAs says so.
  shown_.use({other.online_ca.certificate}, root_crls({}));
  EXPECT_EQ(refusal({der(device)}), Errc::unauthorized);
  EXPECT_EQ(shown_.remembered(), 0U);
}

TEST_F(Shown, ALeafOfAnotherKindIsRefusedAlone) {
  const std::string host = draw_device_name(random_).get() + "." + kZone.get();
  shown_.use({tree_.online_ca.certificate, tree_.web_ca.certificate, tree_.server_ca.certificate}, root_crls({}));
  const auto web = tree_.make_leaf(pki::ProfileId::web_device, tree_.web_ca, {host, "*." + host});
  const auto server = tree_.make_leaf(pki::ProfileId::server, tree_.server_ca, {"relay." + kZone.get()});
  EXPECT_EQ(refusal({der(web)}), Errc::unauthorized);
  EXPECT_EQ(refusal({der(server)}), Errc::unauthorized);
  EXPECT_EQ(refusal({der(tree_.online_ca)}), Errc::not_found);
}

TEST_F(Shown, EveryChangedByteOfWhatIsRememberedIsRefused) {
  const auto device = make_device(tree_.online_ca);
  const Chain chain{der(device), der(tree_.online_ca)};
  ASSERT_TRUE(is_taken(chain));
  ASSERT_TRUE(is_taken({chain.front()}));
  for (std::size_t of = 0; of < chain.size(); ++of) {
    for (std::size_t i = 0; i < chain[of].size(); ++i) {
      auto changed = chain;
      changed[of][i] ^= 1;
      ASSERT_FALSE(shown_.verify(changed, now_)) << of << " at " << i;
      if (of == 0) ASSERT_FALSE(shown_.verify(std::span(changed).first(1), now_)) << i;
    }
  }
}

TEST_F(Shown, WhatIsRememberedCoversNothingThatIsShownBesideIt) {
  const auto device = make_device(tree_.online_ca);
  ASSERT_TRUE(is_taken({der(device), der(tree_.online_ca)}));
  EXPECT_EQ(refusal({der(device), Bytes{0x30, 0x00}}), Errc::malformed);
  EXPECT_EQ(refusal({der(device), der(tree_.online_ca), Bytes{0x30, 0x00}}), Errc::malformed);
  EXPECT_EQ(refusal({der(device), der(tree_.web_ca)}), Errc::unauthorized);
}

TEST_F(Shown, AChainWithMoreThanItsCaIsJudgedEachTime) {
  const auto device = make_device(tree_.online_ca);
  EXPECT_TRUE(is_taken({der(device), der(tree_.web_ca), der(tree_.online_ca)}));
  EXPECT_EQ(shown_.remembered(), 0U);
}

TEST_F(Shown, WhatIsRememberedEndsWithTheFirstCertificateOfItsPath) {
  const auto device = make_device(tree_.online_ca);
  const Chain chain{der(device), der(tree_.online_ca)};
  const auto validity = device.certificate.validity();
  ASSERT_TRUE(is_taken(chain));
  now_ = validity.not_after;
  EXPECT_TRUE(is_taken(chain));
  now_ = validity.not_after + seconds(1);
  EXPECT_EQ(refusal(chain), Errc::expired);
  EXPECT_EQ(refusal({chain.front()}), Errc::expired);
  now_ = validity.not_before + seconds(-1);
  EXPECT_FALSE(shown_.verify(chain, now_));
  now_ = kNow;
  EXPECT_TRUE(is_taken(chain));
}

TEST_F(Shown, ARevokedCaTakesWhatIsRememberedAlong) {
  const auto device = make_device(tree_.online_ca);
  ASSERT_TRUE(is_taken({der(device)}));
  shown_.use({tree_.online_ca.certificate}, root_crls({tree_.online_ca.certificate.serial()}));
  EXPECT_EQ(refusal({der(device)}), Errc::unauthorized);
  EXPECT_EQ(refusal({der(device), der(tree_.online_ca)}), Errc::unauthorized);
}

TEST_F(Shown, NoMoreIsRememberedThanItMay) {
  std::vector<Issued> devices;
  for (int i = 0; i < 10; ++i) devices.push_back(make_device(tree_.online_ca));
  for (int round = 0; round < 3; ++round) {
    for (const auto& device : devices) {
      ASSERT_TRUE(is_taken({der(device)}));
      ASSERT_LE(shown_.remembered(), kFew);
    }
  }
  EXPECT_GE(shown_.remembered(), kFew / 2);
}

TEST_F(Shown, CasAreNamedOnceEach) {
  shown_.use({tree_.online_ca.certificate, tree_.other_ca.certificate}, root_crls({}));
  EXPECT_EQ(shown_.issuer_names(), Chain{to_bytes(tree_.online_ca.certificate.subject().der())});
  shown_.use({}, root_crls({}));
  EXPECT_TRUE(shown_.issuer_names().empty());
}

// ---- in a handshake

class LeafAlone : public RelayTest {
 public:
  // Whether the relay has taken it, in a full handshake.
  static net::Task<bool> tries(FakeAgent& device, std::uint16_t port) {
    device.resumption.reset();
    device.accepted = device.over = false;
    device.start(port);
    const bool decided = co_await until([&] { return device.accepted || device.over; });
    EXPECT_FALSE(device.resumed);
    co_return decided&& device.accepted;
  }
  static net::Task<bool> leave(FakeAgent& device) {
    device.hang_up();
    co_return co_await until([&] { return device.over; });
  }
  net::Task<bool> publish() {
    const auto applied = worker().counts().snapshot;
    authority_->publish();
    return until([this, applied] { return worker().counts().snapshot > applied; });
  }
};

TEST_F(LeafAlone, IsShownToARelayThatHasTheCa) {
  play<LeafAlone>(
      [](LeafAlone& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        CO_ASSERT(co_await t.worker_ready());
        for (const bool alone : {true, false, true}) {
          device.leaf_alone = alone;
          CO_ASSERT(co_await tries(device, at));
          EXPECT_EQ(device.showed_leaf_alone, alone);
          CO_ASSERT(co_await leave(device));
        }
      },
      settings(0, 1));
}

TEST_F(LeafAlone, OfACaThatTheRelayDoesNotHaveIsRefusedAndTheChainIsTaken) {
  authority_->lists_other_ca = true;
  play<LeafAlone>(
      [](LeafAlone& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        CO_ASSERT(co_await t.worker_ready());
        device.leaf_alone = true;
        EXPECT_FALSE(co_await tries(device, at));
        EXPECT_TRUE(device.showed_leaf_alone) << "the names are the same";
        EXPECT_EQ(t.worker().counts().devices, 0U);
        device.leaf_alone = false;
        CO_ASSERT(co_await tries(device, at));
        CO_ASSERT(co_await leave(device));
        device.leaf_alone = true;
        EXPECT_FALSE(co_await tries(device, at)) << "what was remembered of the chain";
        t.authority_->lists_other_ca = false;
        CO_ASSERT(co_await t.publish());
        EXPECT_TRUE(co_await tries(device, at));
      },
      settings(0, 1));
}

TEST_F(LeafAlone, OfARevokedDeviceIsRefusedThoughItIsRemembered) {
  play<LeafAlone>(
      [](LeafAlone& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        CO_ASSERT(co_await t.worker_ready());
        for (const bool alone : {true, false}) {
          device.leaf_alone = alone;
          CO_ASSERT(co_await tries(device, at));
          CO_ASSERT(co_await leave(device));
          t.authority_->set_certificate(device.operational.certificate, device.name, true);
          CO_ASSERT(co_await t.publish());
          EXPECT_FALSE(co_await tries(device, at)) << alone;
          t.authority_->set_certificate(device.operational.certificate, device.name, false);
          t.authority_->set_device(device.name, records::DeviceState::manufactured);
          CO_ASSERT(co_await t.publish());
          EXPECT_FALSE(co_await tries(device, at)) << alone;
          t.authority_->set_device(device.name, records::DeviceState::claimed);
          CO_ASSERT(co_await t.publish());
        }
        EXPECT_EQ(t.worker().counts().devices, 0U);
      },
      settings(0, 1));
}

TEST_F(LeafAlone, OpensNoOtherDevice) {
  const auto agent = make_device();
  const auto victim = make_device();
  const auto port = start_worker();
  run([](LeafAlone& t, FakeAgent& device, FakeAgent& other, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    device.leaf_alone = true;
    CO_ASSERT(co_await tries(device, at));
    CO_ASSERT(co_await leave(device));
    device.resumption.reset();
    device.accepted = false;
    co_await FakeAgent::run(device, at, other.control_name());
    EXPECT_TRUE(device.showed_leaf_alone);
    EXPECT_FALSE(device.accepted);
  }(*this, *agent, *victim, port));
}

}  // namespace
}  // namespace sallyport::relay::testing
