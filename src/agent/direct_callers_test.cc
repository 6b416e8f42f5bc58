// Direct access by the command line: who is let in at the device's own port, and that everybody else costs little.
#include "agent/detail/test_direct.h"

namespace sallyport::agent {
namespace {

using testing::DirectTest;
using testing::hear;
using testing::hear_to_end;
using testing::kDevice;
using testing::KeyHolder;
using testing::kSoon;
using testing::kZone;
using testing::say;
using testing::Tree;
using tunnel::DirectPurpose;
using tunnel::RefuseCode;

class DirectCallersTest : public DirectTest {
 protected:
  // What the device answers to who shows `sealed` under `sni` with the key of `who`.
  net::Task<Result<std::optional<RefuseCode>>> answer_to(Bytes sealed, DnsName sni, const KeyHolder& who,
                                                         DirectPurpose purpose = DirectPurpose::open) {
    CO_TRY(auto stream, co_await call(std::move(sni), who.identity()));
    CO_TRY(auto answer, co_await ask(*stream, std::move(sealed), purpose));
    co_return answer;
  }
  net::Task<void> expect_answer(const tunnel::AccessGrant& grant, RefuseCode code) {
    const auto answer = co_await answer_to(tree.seal(grant), tunnel::grant_host(grant, kZone), user);
    CO_ASSERT(answer && *answer);
    EXPECT_EQ(tunnel::to_string(**answer), tunnel::to_string(code));
    EXPECT_TRUE(co_await is_left_alone());
  }

  net::Task<void> enter();
  net::Task<void> other_names();
  net::Task<void> other_labels();
  net::Task<void> other_grants();
  net::Task<void> other_keys();
  net::Task<void> closed();
  net::Task<void> asked_on_the_spot();
  net::Task<void> cut();
  net::Task<void> renew();
  net::Task<void> renew_what_was_cut();
  net::Task<void> babble();
  net::Task<void> no_certificate();
  net::Task<void> older_than_the_agent();

  KeyHolder user{random};
};

net::Task<void> DirectCallersTest::enter() {
  const auto grant = grant_for(user);
  auto stream = co_await call(tunnel::grant_host(grant, kZone), user.identity());
  CO_ASSERT(stream);
  EXPECT_EQ(door.strangers(), 1U);
  CO_ASSERT(co_await is_accepted(**stream, grant));
  auto service = co_await tcp_port->accept(kSoon);
  CO_ASSERT(service);
  co_await say(**stream, "question");
  EXPECT_EQ(co_await hear(**service, 8), "question");
  co_await say(**service, "answer");
  EXPECT_EQ(co_await hear(**stream, 6), "answer");
  EXPECT_EQ(door.strangers(), 0U);
  EXPECT_EQ(access.open_connections(), 1U);
  CO_ASSERT(co_await (*stream)->shutdown_write(kSoon));
  EXPECT_EQ(co_await hear_to_end(**service), "");
}

TEST_F(DirectCallersTest, OpenTheServiceOfTheGrantThatTheyBring) {
  run(enter());
}

net::Task<void> DirectCallersTest::older_than_the_agent() {
  auto grant = grant_for(user);
  grant.issued = grant.issued - seconds(1);
  grant.expires = grant.expires - seconds(1);
  co_await expect_answer(grant, RefuseCode::grant_expired);
  pass(seconds(100));
  co_await expect_answer(grant, RefuseCode::grant_expired);
}

TEST_F(DirectCallersTest, AreNotLetInWithGrantsOlderThanTheAgent) {
  run(older_than_the_agent());
}

net::Task<void> DirectCallersTest::other_names() {
  const std::string label = draw_grant_label(random).get();
  const DnsName names[] = {under(kDevice.get(), kZone),
                           under(label, under("zyxwvutsrq", kZone)),
                           under(label, under(kDevice.get(), DnsName("elsewhere.example"))),
                           under("relay", kZone),
                           under(label.substr(1), under(kDevice.get(), kZone)),
                           kZone};
  for (const DnsName& name : names) {
    const auto stream = co_await call(name, user.identity());
    CO_ASSERT(!stream);
    EXPECT_TRUE(stream.error().detail.contains("unrecognized name")) << name.get() << ": " << stream.error().detail;
  }
  EXPECT_EQ(identities_shown, 0U) << "something was signed for a stranger";
}

TEST_F(DirectCallersTest, AreToldOfNoOtherNameAndNothingIsSignedForThem) {
  run(other_names());
}

net::Task<void> DirectCallersTest::other_labels() {
  const auto one = grant_for(user);
  const auto two = grant_for(user);
  const auto answer = co_await answer_to(tree.seal(one), tunnel::grant_host(two, kZone), user);
  CO_ASSERT(answer);
  EXPECT_EQ(*answer, RefuseCode::grant_invalid);
  EXPECT_TRUE(co_await is_left_alone());
}

TEST_F(DirectCallersTest, MustAskForTheLabelOfTheirOwnGrant) {
  run(other_labels());
}

net::Task<void> DirectCallersTest::other_grants() {
  responder.revoked.insert(tree.grants.certificate.serial().hex());
  co_await expect_answer(grant_for(user), RefuseCode::grant_invalid);
  responder.revoked.clear();
  auto foreign = grant_for(user);
  foreign.device = DeviceName("zyxwvutsrq");
  const DnsName host = tunnel::grant_host(grant_for(user), kZone);
  auto answer = co_await answer_to(tree.seal(foreign), host, user);
  EXPECT_TRUE(answer && *answer == RefuseCode::grant_invalid);
  auto changed = tree.seal(grant_for(user));
  changed[changed.size() / 2] ^= 1U;
  answer = co_await answer_to(changed, host, user);
  EXPECT_TRUE(answer && *answer == RefuseCode::grant_invalid);
  co_await expect_answer(grant_for(user, "camera"), RefuseCode::no_such_service);
  co_await expect_answer(grant_for(user, "panel"), RefuseCode::grant_invalid);
  const auto late = grant_for(user);
  clock.advance(seconds(400));
  responder.now = clock.now();
  co_await expect_answer(late, RefuseCode::grant_expired);
}

TEST_F(DirectCallersTest, GetNothingForAGrantThatNothingPermits) {
  run(other_grants());
}

net::Task<void> DirectCallersTest::other_keys() {
  const KeyHolder stranger(random);
  const auto grant = grant_for(user);
  const DnsName host = tunnel::grant_host(grant, kZone);
  const auto answer = co_await answer_to(tree.seal(grant), host, stranger);
  EXPECT_TRUE(answer && *answer == RefuseCode::grant_invalid);
  EXPECT_TRUE(co_await is_left_alone());
  auto without = co_await call(host, std::nullopt);
  if (without) {
    const auto unanswered = co_await ask(**without, tree.seal(grant), DirectPurpose::open);
    EXPECT_FALSE(unanswered);
  }
  EXPECT_TRUE(co_await is_left_alone());
}

TEST_F(DirectCallersTest, MustHaveTheKeyOfTheGrant) {
  run(other_keys());
}

net::Task<void> DirectCallersTest::closed() {
  CO_ASSERT(access.set_open(ServiceName("echo"), false));
  co_await expect_answer(grant_for(user), RefuseCode::no_such_service);
  CO_ASSERT(access.set_open(ServiceName("echo"), true));
  CO_ASSERT(access.set_on(false));
  co_await expect_answer(grant_for(user), RefuseCode::remote_access_off);
}

TEST_F(DirectCallersTest, AreLeftOutsideByTheSwitchesOfTheDevice) {
  run(closed());
}

net::Task<void> DirectCallersTest::asked_on_the_spot() {
  consent.consent_command = {"/bin/false"};
  const auto grant = grant_for(user);
  co_await expect_answer(grant, RefuseCode::consent_denied);
  consent.consent_command = {"/bin/true"};
  const auto answer = co_await answer_to(tree.seal(grant), tunnel::grant_host(grant, kZone), user);
  EXPECT_TRUE(answer && !*answer);
}

TEST_F(DirectCallersTest, NeedTheConsentOfWhoIsAskedOnTheSpot) {
  run(asked_on_the_spot());
}

net::Task<void> DirectCallersTest::cut() {
  const auto grant = grant_for(user);
  auto stream = co_await call(tunnel::grant_host(grant, kZone), user.identity());
  CO_ASSERT(stream && co_await is_accepted(**stream, grant));
  auto service = co_await tcp_port->accept(kSoon);
  CO_ASSERT(service);
  co_await say(**service, "x");
  EXPECT_EQ(co_await hear(**stream, 1), "x");
  access.cut(grant.session());
  EXPECT_EQ(co_await hear_to_end(**stream), std::nullopt);
  EXPECT_EQ(co_await hear_to_end(**service), std::nullopt);
}

TEST_F(DirectCallersTest, EndWithTheirSession) {
  run(cut());
}

net::Task<void> DirectCallersTest::renew() {
  net::spawn(io.executor(), access.run(), "test.expiry");
  const auto grant = grant_for(user);
  const DnsName host = tunnel::grant_host(grant, kZone);
  auto stream = co_await call(host, user.identity());
  CO_ASSERT(stream && co_await is_accepted(**stream, grant));
  auto service = co_await tcp_port->accept(kSoon);
  CO_ASSERT(service);
  pass(seconds(200));
  const auto next = renewal_of(grant);
  const KeyHolder stranger(random);
  auto answer = co_await answer_to(tree.seal(next), host, stranger, DirectPurpose::renew);
  EXPECT_TRUE(answer && *answer == RefuseCode::grant_invalid) << "without the key";
  answer = co_await answer_to(tree.seal(next), host, user, DirectPurpose::renew);
  CO_ASSERT(answer && !*answer);
  pass(seconds(200));
  co_await net::sleep_for(milliseconds(1'200));
  co_await say(**stream, "still here");
  EXPECT_EQ(co_await hear(**service, 10), "still here");
  EXPECT_TRUE(co_await is_left_alone()) << "a renewal opens nothing";
  pass(seconds(300));
  EXPECT_EQ(co_await hear_to_end(**stream), std::nullopt) << "what is not renewed is cut";
}

TEST_F(DirectCallersTest, StayForAsLongAsTheyShowRenewals) {
  run(renew());
}

net::Task<void> DirectCallersTest::renew_what_was_cut() {
  const auto grant = grant_for(user);
  const DnsName host = tunnel::grant_host(grant, kZone);
  auto stream = co_await call(host, user.identity());
  CO_ASSERT(stream && co_await is_accepted(**stream, grant));
  access.cut(grant.session());
  for (const DirectPurpose purpose : {DirectPurpose::renew, DirectPurpose::open}) {
    const auto answer = co_await answer_to(tree.seal(renewal_of(grant)), host, user, purpose);
    EXPECT_TRUE(answer && *answer == RefuseCode::grant_invalid);
  }
  CO_ASSERT(access.set_on(false));
  const auto answer = co_await answer_to(tree.seal(grant_for(user)), host, user, DirectPurpose::renew);
  EXPECT_TRUE(answer && *answer == RefuseCode::remote_access_off);
}

TEST_F(DirectCallersTest, RenewNothingThatWasCut) {
  run(renew_what_was_cut());
}

net::Task<void> DirectCallersTest::babble() {
  const DnsName host = tunnel::grant_host(grant_for(user), kZone);
  const Bytes wrong[] = {{9, 0, 1, 0}, {1, 0, 0}, {1, 0xFF, 0xFF}};
  for (const Bytes& words : wrong) {
    auto stream = co_await call(host, user.identity());
    CO_ASSERT(stream && co_await (*stream)->write_all(words, kSoon));
    Bytes back(1);
    const auto heard = co_await (*stream)->read_some(back, kSoon);
    EXPECT_FALSE(heard && *heard > 0);
  }
}

TEST_F(DirectCallersTest, AreClosedWhenTheySpeakSomethingElse) {
  run(babble());
}

net::Task<void> DirectCallersTest::no_certificate() {
  web_identity.reset();
  const auto stream = co_await call(tunnel::grant_host(grant_for(user), kZone), user.identity());
  CO_ASSERT(!stream);
  EXPECT_TRUE(stream.error().detail.contains("internal error")) << stream.error().detail;
}

TEST_F(DirectCallersTest, MeetNobodyBeforeThereIsAWebCertificate) {
  run(no_certificate());
}

// A port with little room and less patience.
class DirectLimitsTest : public DirectTest {
 protected:
  DirectLimitsTest()
      : DirectTest({.caps = {.total = 4, .per_source = 2, .per_name_and_source = 2},
                    .handshakes = 1,
                    .burst = 3,
                    .per_second = 0,
                    .first_flight = milliseconds(300),
                    .handshake = milliseconds(300),
                    .first_word = milliseconds(300)}) {}
  net::Task<void> crowd();
  net::Task<void> sit_silently();
  net::Task<void> stall();
  net::Task<void> ask_again_and_again();

  KeyHolder user{random};
};

net::Task<void> DirectLimitsTest::crowd() {
  std::vector<net::StreamPtr> silent;
  for (int i = 0; i < 2; ++i) {
    auto stream = co_await net::connect_tcp(listener->address(), kSoon);
    CO_ASSERT(stream);
    silent.push_back(*std::move(stream));
  }
  while (door.strangers() < 2) co_await net::sleep_for(milliseconds(1));
  const net::Deadline soon(milliseconds(200));
  auto third = co_await net::connect_tcp(listener->address(), kSoon);
  if (third) EXPECT_EQ(co_await hear_to_end(**third), std::nullopt);
  EXPECT_FALSE(soon.passed()) << "was kept waiting";
  EXPECT_EQ(door.strangers(), 2U);
  for (const auto& stream : silent) EXPECT_EQ(co_await hear_to_end(*stream), std::nullopt) << "out of patience";
  EXPECT_EQ(door.strangers(), 0U);
}

TEST_F(DirectLimitsTest, OneSourceGetsNoMoreThanItsShareAndNobodyMayBeSilent) {
  run(crowd());
}

// Part of a hello, and a hello after which nothing follows.
net::Task<void> DirectLimitsTest::stall() {
  auto slow = co_await net::connect_tcp(listener->address(), kSoon);
  CO_ASSERT(slow);
  const Bytes part = {0x16, 0x03, 0x01, 0x01, 0x00, 0x01, 0x00};
  CO_ASSERT(co_await (*slow)->write_all(part, kSoon));
  EXPECT_EQ(co_await hear_to_end(**slow), std::nullopt);
  auto garbage = co_await net::connect_tcp(listener->address(), kSoon);
  CO_ASSERT(garbage);
  co_await say(**garbage, "GET / HTTP/1.1\r\n\r\n");
  const auto alert = co_await hear_to_end(**garbage);
  EXPECT_TRUE(!alert || alert->size() == 7);
  EXPECT_EQ(identities_shown, 0U);
  EXPECT_EQ(door.strangers(), 0U);
}

TEST_F(DirectLimitsTest, HalfAHelloAndNoneAtAllGetNoSignature) {
  run(stall());
}

net::Task<void> DirectLimitsTest::sit_silently() {
  const DnsName host = tunnel::grant_host(grant_for(user), kZone);
  auto caller = co_await call(host, user.identity());
  CO_ASSERT(caller);
  Bytes back(1);
  EXPECT_FALSE((co_await (*caller)->read_some(back, kSoon)).value_or(0) > 0);
  auto browser = co_await visit(host);
  CO_ASSERT(browser);
  EXPECT_FALSE((co_await (*browser)->read_some(back, kSoon)).value_or(0) > 0);
  EXPECT_EQ(door.strangers(), 0U);
}

TEST_F(DirectLimitsTest, WhoSaysNothingInsideIsClosed) {
  run(sit_silently());
}

net::Task<void> DirectLimitsTest::ask_again_and_again() {
  const auto grant = grant_for(user);
  const DnsName host = tunnel::grant_host(grant, kZone);
  auto stream = co_await call(host, user.identity());
  CO_ASSERT(stream && co_await is_accepted(**stream, grant));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(co_await call(under(draw_grant_label(random).get(), under(kDevice.get(), kZone)), user.identity()));
  }
  EXPECT_FALSE(co_await call(under(draw_grant_label(random).get(), under(kDevice.get(), kZone)), user.identity()))
      << "one signature too many";
  EXPECT_TRUE(co_await call(host, user.identity())) << "a session in force waits behind no stranger";
}

TEST_F(DirectLimitsTest, StrangersGetSoManySignaturesAndSessionsInForceTheirs) {
  run(ask_again_and_again());
}

}  // namespace
}  // namespace sallyport::agent
