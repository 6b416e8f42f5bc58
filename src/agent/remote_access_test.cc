// What is found of a grant is good for the same bytes for a moment: what may come between, and that it is seen.
#include <algorithm>

#include "agent/detail/test_device.h"
#include "keystore/file.h"
#include "pki/signed_object.h"

namespace sallyport::agent {
namespace {

using testing::kNow;

class RemoteAccessTest : public testing::DeviceTest {
 protected:
  Result<tunnel::AccessGrant> take(const Bytes& sealed) {
    io.restart();
    return *net::run(io, access.admit(sealed));
  }
  // Whether it is taken, and whether its signer's path was judged again for that: without a stored root CRL that cannot
  // be done without asking.
  bool is_taken_unasked(const Bytes& sealed) {
    for (const auto& entry : std::filesystem::directory_iterator(folder / "state"))
      if (entry.path().extension() == ".crl") std::filesystem::remove(entry.path());
    const std::size_t before = responder.asked;
    return take(sealed).has_value() && responder.asked == before;
  }
  // A check of the signer of grants, with whatever the responder says now.
  Result<void> check_signer(const Bytes& sealed) {
    const auto opened =
        pki::open_object(pki::ControlKind::grant, sealed, state.anchors(), pki::TimeRule::clock(clock.now()));
    EXPECT_TRUE(opened);
    io.restart();
    return *net::run(io, check.check(opened->signer(), "grant signer"));
  }
  void pass(seconds time_passed) {
    clock.advance(time_passed);
    responder.now = clock.now();
  }
};

TEST_F(RemoteAccessTest, TheSameGrantWithinAMinuteIsNotProvenOnceMore) {
  const Bytes sealed = tree.seal(make_grant());
  ASSERT_TRUE(take(sealed));
  EXPECT_TRUE(is_taken_unasked(sealed));
  pass(kProvenGrant - seconds(1));
  EXPECT_TRUE(is_taken_unasked(sealed));
  pass(seconds(1));
  EXPECT_FALSE(is_taken_unasked(sealed)) << "a minute later";
  EXPECT_TRUE(take(sealed));
}

TEST_F(RemoteAccessTest, AnotherGrantOrAnotherSignatureIsProvenForItself) {
  const auto grant = make_grant();
  Bytes sealed = tree.seal(grant);
  ASSERT_TRUE(take(sealed));
  EXPECT_FALSE(is_taken_unasked(tree.seal(make_grant())));
  sealed.back() ^= 1U;
  EXPECT_FALSE(take(sealed));
  sealed.back() ^= 1U;
  EXPECT_TRUE(take(sealed));
  sealed.push_back(0);
  EXPECT_FALSE(take(sealed));
}

TEST_F(RemoteAccessTest, AGrantThatWasRefusedIsNotRemembered) {
  responder.revoked.insert(tree.grants.certificate.serial().hex());
  const Bytes sealed = tree.seal(make_grant());
  EXPECT_FALSE(take(sealed));
  EXPECT_FALSE(take(sealed));
  responder.revoked.clear();
  auto grant = make_grant();
  grant.device = DeviceName("bbbbbbbbbb");
  const Bytes others = tree.seal(grant);
  EXPECT_FALSE(take(others));
  EXPECT_FALSE(take(others));
}

TEST_F(RemoteAccessTest, ARefusedCheckOfItsSignerEndsWhatWasFound) {
  const Bytes sealed = tree.seal(make_grant());
  ASSERT_TRUE(take(sealed));
  responder.revoked.insert(tree.grants.certificate.serial().hex());
  EXPECT_FALSE(check_signer(sealed));
  EXPECT_FALSE(take(sealed));
}

TEST_F(RemoteAccessTest, ANewerRootCrlThatListsTheCaEndsWhatWasFound) {
  const Bytes sealed = tree.seal(make_grant());
  ASSERT_TRUE(take(sealed));
  // As another check finds it.
  responder.root_crl = tree.make_crl(2, {tree.control_ca.certificate.serial()});
  responder.told_crl = 2;
  const auto verified =
      pki::verify_root_crls(std::vector{responder.root_crl}, state.anchors(), pki::TimeRule::clock(clock.now()));
  ASSERT_EQ(verified.size(), 1U);
  ASSERT_TRUE(state.store_root_crl(verified.front()));
  auto seen = state.ratchets();
  for (auto& [root, number] : seen.root_crl_numbers) number = 2;
  ASSERT_FALSE(seen.root_crl_numbers.empty());
  ASSERT_TRUE(state.raise_ratchets(seen));
  EXPECT_FALSE(take(sealed));
}

TEST_F(RemoteAccessTest, TimesSwitchAndCutsCountForWhatWasFoundToo) {
  auto grant = make_grant();
  grant.expires = kNow + seconds(1);
  const Bytes brief = tree.seal(grant);
  pass(seconds(30));
  ASSERT_TRUE(take(brief)) << "within the clocks' tolerance";
  pass(tunnel::kGrantClockTolerance - seconds(28));
  EXPECT_FALSE(take(brief)) << "it has expired";

  const auto other = make_grant();
  const Bytes sealed = tree.seal(other);
  ASSERT_TRUE(take(sealed));
  ASSERT_TRUE(access.set_on(false));
  EXPECT_FALSE(take(sealed)) << "remote access is off";
  ASSERT_TRUE(access.set_on(true));

  const auto third = make_grant();
  const Bytes last = tree.seal(third);
  ASSERT_TRUE(take(last));
  access.cut(third.session());
  EXPECT_FALSE(take(last)) << "its session was cut";
}

// ---- services that were closed on the device

class ClosedServicesTest : public testing::DeviceTest {
 protected:
  bool take_grant(const tunnel::AccessGrant& grant) {
    io.restart();
    return net::run(io, access.admit(tree.seal(grant)))->has_value();
  }
  const ServiceName panel{"panel"}, echo{"echo"};
};

TEST_F(ClosedServicesTest, NobodyIsLetInToAClosedOne) {
  ASSERT_TRUE(access.set_open(panel, false));
  expect_refused(make_open(make_grant()), tunnel::RefuseCode::no_such_service);
  auto other = make_grant("echo");
  other.proof_kind = tunnel::ProofKind::client_key;
  EXPECT_TRUE(admit(make_open(other))) << "another is open";
  ASSERT_TRUE(access.set_open(panel, true));
  EXPECT_TRUE(admit(make_open(make_grant())));
}

TEST_F(ClosedServicesTest, ClosingEndsItsSessionsAndNoOthers) {
  const auto grant = make_grant();
  auto other = make_grant("echo");
  other.proof_kind = tunnel::ProofKind::client_key;
  ASSERT_TRUE(admit(make_open(grant)));
  ASSERT_TRUE(admit(make_open(other)));
  bool cut = false, other_cut = false;
  const RemoteAccess::Registration first(access, grant.session(), [&] { cut = true; });
  const RemoteAccess::Registration second(access, other.session(), [&] { other_cut = true; });
  ASSERT_TRUE(access.set_open(panel, false));
  EXPECT_TRUE(cut);
  EXPECT_FALSE(other_cut);
  EXPECT_EQ(access.grants().size(), 1U);
  ASSERT_TRUE(access.set_open(panel, true));
  EXPECT_FALSE(take_grant(grant)) << "a session that was cut does not come back";
}

TEST_F(ClosedServicesTest, TheDevicesOwnSwitchWins) {
  ASSERT_TRUE(access.set_on(false));
  ASSERT_TRUE(access.set_open(panel, true));
  expect_refused(make_open(make_grant()), tunnel::RefuseCode::remote_access_off);
}

TEST_F(ClosedServicesTest, TheRelayIsToldOfThoseThatAreOpen) {
  int told = 0;
  access.on_switch([&] { ++told; });
  const auto before = access.offered().size();
  ASSERT_TRUE(access.set_open(panel, false));
  EXPECT_EQ(told, 1);
  const auto offered = access.offered();
  EXPECT_EQ(offered.size(), before - 1);
  EXPECT_TRUE(std::ranges::none_of(offered, [&](const tunnel::Service& each) { return each.name == panel; }));
}

TEST_F(ClosedServicesTest, OneThatTheDeviceDoesNotHaveIsNotOpened) {
  const auto done = access.set_open(ServiceName("ssh"), true);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::not_found);
  EXPECT_TRUE(state.closed_services()->empty());
}

TEST_F(ClosedServicesTest, StaysClosedOverARestart) {
  ASSERT_TRUE(access.set_open(panel, false));
  const RemoteAccess next(state, time, check, random, testing::kDevice);
  EXPECT_FALSE(next.is_open(panel));
  EXPECT_TRUE(next.is_open(echo));
}

TEST_F(ClosedServicesTest, ADamagedFileOpensNothing) {
  for (const std::string_view text : {"panel", "PANEL\n", "\n", "a b\n"}) {
    ASSERT_TRUE(keystore::atomic_write_file(state.file("services-closed"), as_bytes(text), keystore::kPublicMode));
    EXPECT_FALSE(state.closed_services()) << text;
    const RemoteAccess next(state, time, check, random, testing::kDevice);
    EXPECT_FALSE(next.is_open(echo));
    EXPECT_TRUE(next.offered().empty());
  }
}

}  // namespace
}  // namespace sallyport::agent
