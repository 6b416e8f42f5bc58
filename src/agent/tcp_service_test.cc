// Services of kind tcp: who gets to them, and that bytes, ends and faults pass through as they are.
#include "agent/detail/test_device.h"
#include "tunnel/proxy_header.h"

namespace sallyport::agent {
namespace {

using testing::hear;
using testing::hear_to_end;
using testing::KeyHolder;
using testing::kSoon;
using testing::kZone;
using testing::say;
using testing::Tree;
using tunnel::RefuseCode;

struct Joined {
  net::StreamPtr user;
  net::StreamPtr service;
};

class TcpServiceTest : public testing::DeviceTest {
 protected:
  tunnel::AccessGrant grant_for(const KeyHolder& who, std::string_view service = "echo") {
    auto grant = make_grant(service);
    grant.proof_kind = tunnel::ProofKind::client_key;
    grant.proof_hash = who.certificate.spki_sha256();
    return grant;
  }
  net::Task<Result<net::StreamPtr>> service_side() { co_return co_await tcp_port->accept(kSoon); }
  // Whether the service is left alone for a while: nobody has dialled it.
  net::Task<bool> is_left_alone() {
    const auto came = co_await tcp_port->accept(milliseconds(50));
    co_return !came.has_value();
  }
  // Both ends of a connection of `user` under `grant`.
  net::Task<Result<Joined>> join_both(tunnel::AccessGrant grant) {
    auto admitted = co_await data.admit(make_open(grant));
    if (!admitted) co_return fail(Errc::unauthorized, std::string(tunnel::to_string(admitted.error())));
    CO_TRY(auto near, co_await join_user(*std::move(admitted), tunnel::grant_host(grant, kZone), user.identity()));
    CO_TRY(auto far, co_await service_side());
    co_return Joined{.user = std::move(near), .service = std::move(far)};
  }
  // Whether nothing comes of a connection under `grant` with `identity` that asks for `sni`.
  net::Task<bool> is_refused(tunnel::AccessGrant grant, DnsName sni, std::optional<crypto::TlsIdentity> identity) {
    auto admitted = co_await data.admit(make_open(grant));
    if (!admitted) co_return true;
    auto stream = co_await join_user(*std::move(admitted), std::move(sni), std::move(identity));
    // TLS 1.3: the client may think that it is in until it reads.
    Bytes back(1);
    const bool entered = stream && co_await (*stream)->read_some(back, milliseconds(500));
    const bool alone = co_await is_left_alone();
    co_return !entered && alone;
  }

  net::Task<void> user_ends_first();
  net::Task<void> service_ends_first();
  net::Task<void> service_resets();
  net::Task<void> user_breaks_off();
  net::Task<void> strangers();
  net::Task<void> another_label();
  net::Task<void> replay();
  net::Task<void> no_resumption();
  net::Task<void> announced();
  net::Task<void> not_announced();
  net::Task<void> cut_both();
  net::Task<void> nobody_listens();
  net::Task<void> hold_back();

  KeyHolder user{random};
};

net::Task<void> TcpServiceTest::user_ends_first() {
  auto both = co_await join_both(grant_for(user));
  CO_ASSERT(both);
  co_await say(*both->user, "question");
  CO_ASSERT(co_await both->user->shutdown_write(kSoon));
  EXPECT_EQ(co_await hear_to_end(*both->service), "question");
  co_await say(*both->service, "a long answer to what has ended");
  CO_ASSERT(co_await both->service->shutdown_write(kSoon));
  EXPECT_EQ(co_await hear_to_end(*both->user), "a long answer to what has ended");
}

TEST_F(TcpServiceTest, AUserMayEndFirstAndStillHears) {
  run(user_ends_first());
}

net::Task<void> TcpServiceTest::service_ends_first() {
  auto both = co_await join_both(grant_for(user));
  CO_ASSERT(both);
  co_await say(*both->service, "banner");
  CO_ASSERT(co_await both->service->shutdown_write(kSoon));
  EXPECT_EQ(co_await hear_to_end(*both->user), "banner");
  co_await say(*both->user, "still heard");
  CO_ASSERT(co_await both->user->shutdown_write(kSoon));
  EXPECT_EQ(co_await hear_to_end(*both->service), "still heard");
}

TEST_F(TcpServiceTest, AServiceMayEndFirstAndStillHears) {
  run(service_ends_first());
}

net::Task<void> TcpServiceTest::service_resets() {
  auto both = co_await join_both(grant_for(user));
  CO_ASSERT(both);
  co_await say(*both->service, "half an ans");
  EXPECT_EQ(co_await hear(*both->user, 11), "half an ans");
  net::reset(*both->service);
  EXPECT_EQ(co_await hear_to_end(*both->user), std::nullopt) << "an end in order, want a broken connection";
}

TEST_F(TcpServiceTest, AResetOfTheServiceIsNoOrderlyEndForTheUser) {
  run(service_resets());
}

net::Task<void> TcpServiceTest::user_breaks_off() {
  auto both = co_await join_both(grant_for(user));
  CO_ASSERT(both);
  co_await say(*both->user, "half an ord");
  EXPECT_EQ(co_await hear(*both->service, 11), "half an ord");
  net::reset(*both->user);
  EXPECT_EQ(co_await hear_to_end(*both->service), std::nullopt) << "an end in order, want a reset";
}

TEST_F(TcpServiceTest, AUserWhoBreaksOffIsNoOrderlyEndForTheService) {
  run(user_breaks_off());
}

net::Task<void> TcpServiceTest::hold_back() {
  auto both = co_await join_both(grant_for(user));
  CO_ASSERT(both);
  constexpr std::size_t kMuch = 12U << 20U;
  const Bytes much(kMuch, 0x5A);
  const auto stuck = co_await both->user->write_all(much, milliseconds(400));
  CO_ASSERT(!stuck);
  EXPECT_EQ(stuck.error().code, Errc::expired);
  std::size_t heard = 0;
  Bytes piece(1U << 16U);
  for (;;) {
    const auto count = co_await both->service->read_some(piece, milliseconds(300));
    if (!count) break;
    heard += *count;
  }
  EXPECT_GT(heard, std::size_t{64} << 10U);
  EXPECT_LT(heard, kMuch);
}

TEST_F(TcpServiceTest, AServiceThatDoesNotReadHoldsItsUserBack) {
  run(hold_back());
}

net::Task<void> TcpServiceTest::strangers() {
  const KeyHolder stranger(random);
  const auto grant = grant_for(user);
  const DnsName host = tunnel::grant_host(grant, kZone);
  EXPECT_TRUE(co_await is_refused(grant, host, std::nullopt)) << "no key";
  EXPECT_TRUE(co_await is_refused(grant, host, stranger.identity())) << "another key";
  EXPECT_TRUE(co_await is_refused(grant, host, Tree::identity(tree.gateway, tree.server_ca))) << "a server's";
  EXPECT_TRUE(co_await join_both(grant)) << "the user himself";
}

TEST_F(TcpServiceTest, WhoHasAnotherKeyOrNoneDoesNotEvenReachTheService) {
  run(strangers());
}

net::Task<void> TcpServiceTest::another_label() {
  const auto one = grant_for(user);
  const auto two = grant_for(user);
  CO_ASSERT(co_await data.admit(make_open(two)));
  EXPECT_TRUE(co_await is_refused(one, tunnel::grant_host(two, kZone), user.identity()));
  EXPECT_TRUE(co_await is_refused(one, under(testing::kDevice.get(), kZone), user.identity()));
  EXPECT_TRUE(co_await join_both(one));
}

TEST_F(TcpServiceTest, AskingForTheLabelOfAnotherGrantIsRefusedWhateverTheKey) {
  run(another_label());
}

TEST_F(TcpServiceTest, AGrantOpensItsOwnServiceAlone) {
  const auto grant = grant_for(user);
  auto open = make_open(grant);
  for (const char* other : {"other", "panel", "device", "camera"}) {
    open.service = ServiceName(other);
    expect_refused(open, RefuseCode::no_such_service);
  }
  // A key is no proof for a browser's service.
  expect_refused(make_open(grant_for(user, "panel")), RefuseCode::grant_invalid);
  expect_refused(make_open(grant_for(user, "device")), RefuseCode::grant_invalid);
  EXPECT_TRUE(admit(make_open(grant)));
}

net::Task<void> TcpServiceTest::replay() {
  const auto first = grant_for(user);
  CO_ASSERT(co_await data.admit(make_open(first)));
  auto renewed = first;
  renewed.id = tunnel::draw_grant_id(random);
  renewed.renews = first.id;
  clock.advance(seconds(120));
  responder.now = clock.now();
  renewed.issued = clock.now();
  renewed.expires = clock.now() + seconds(300);
  CO_ASSERT(co_await access.admit(tree.seal(renewed)));
  // The relay may still have users who came under the first.
  CO_ASSERT(co_await data.admit(make_open(first)));
  const auto live = access.grants().find(tunnel::grant_host(first, kZone), clock.now());
  CO_ASSERT(live);
  EXPECT_EQ(live->id, renewed.id) << "an earlier grant has taken the place of a later one";
  clock.advance(seconds(250));
  responder.now = clock.now();
  const auto late = co_await data.admit(make_open(first));
  CO_ASSERT(!late);
  EXPECT_EQ(late.error(), RefuseCode::grant_expired) << "though its session lives";
  CO_ASSERT(co_await data.admit(make_open(renewed)));
  access.cut(first.session());
  EXPECT_FALSE(co_await data.admit(make_open(renewed))) << "after the session was cut";
}

TEST_F(TcpServiceTest, ARecordedGrantGivesNothingBeyondItsOwnTimeNorAfterACut) {
  run(replay());
}

TEST_F(TcpServiceTest, AGrantThatHasExpiredIsNotTaken) {
  const auto grant = grant_for(user);
  clock.advance(seconds(400));
  responder.now = clock.now();
  expect_refused(make_open(grant), RefuseCode::grant_expired);
}

// Who was in once must show the key again: there is no ticket to come back with.
net::Task<void> TcpServiceTest::no_resumption() {
  const auto grant = grant_for(user);
  const DnsName host = tunnel::grant_host(grant, kZone);
  const auto context = user_context(user.identity(), true);
  for (int visit = 0; visit < 3; ++visit) {
    auto admitted = co_await data.admit(make_open(grant));
    CO_ASSERT(admitted);
    auto near = co_await join_user(*std::move(admitted), host, context);
    CO_ASSERT(near);
    EXPECT_FALSE(net::is_resumed(**near)) << visit;
    auto far = co_await service_side();
    CO_ASSERT(far);
    // A ticket would come before the service's first word.
    co_await say(**far, "word");
    EXPECT_EQ(co_await hear(**near, 4), "word");
    CO_ASSERT(co_await (*near)->shutdown_write(kSoon));
  }
}

TEST_F(TcpServiceTest, NoConnectionResumesAnother) {
  run(no_resumption());
}

net::Task<void> TcpServiceTest::announced() {
  const auto grant = grant_for(user, "told");
  auto both = co_await join_both(grant);
  CO_ASSERT(both);
  co_await say(*both->user, "hello");
  const std::string heard =
      co_await hear(*both->service, 16 + 12 + 3 + tunnel::grant_host(grant, kZone).get().size() + 3 + 32 + 5);
  EXPECT_TRUE(heard.ends_with("hello"));
  const auto header = tunnel::parse_proxy_header(as_bytes(heard));
  CO_ASSERT(header && *header);
  EXPECT_EQ((*header)->wire_size, heard.size() - 5);
  const auto* source = std::get_if<tunnel::ProxyAddressV4>(&(*header)->address);
  CO_ASSERT(source != nullptr);
  EXPECT_EQ(source->source, (std::array<std::uint8_t, 4>{192, 0, 2, 1}));
  EXPECT_EQ(source->source_port, 51'000);
  CO_ASSERT((*header)->tlvs.size() == 2);
  EXPECT_EQ((*header)->tlvs[0].type, tunnel::kProxyTlvAuthority);
  EXPECT_EQ(as_text((*header)->tlvs[0].value), tunnel::grant_host(grant, kZone).get());
  EXPECT_EQ((*header)->tlvs[1].type, tunnel::kProxyTlvUniqueId);
  EXPECT_EQ(as_text((*header)->tlvs[1].value), codec::encode_hex(grant.session().get()));
}

TEST_F(TcpServiceTest, AServiceThatWantsItIsToldWhoComesBeforeTheFirstByte) {
  run(announced());
}

net::Task<void> TcpServiceTest::not_announced() {
  auto both = co_await join_both(grant_for(user));
  CO_ASSERT(both);
  co_await say(*both->user, "hello");
  EXPECT_EQ(co_await hear(*both->service, 5), "hello");
}

TEST_F(TcpServiceTest, AServiceThatDoesNotWantItHearsTheUserAlone) {
  run(not_announced());
}

net::Task<void> TcpServiceTest::cut_both() {
  for (const bool by_switch : {false, true}) {
    const auto grant = grant_for(user);
    auto both = co_await join_both(grant);
    CO_ASSERT(both);
    co_await say(*both->user, "x");
    EXPECT_EQ(co_await hear(*both->service, 1), "x");
    if (by_switch) {
      CO_ASSERT(access.set_on(false));
    } else {
      access.cut(grant.session());
    }
    EXPECT_EQ(co_await hear_to_end(*both->user), std::nullopt);
    EXPECT_EQ(co_await hear_to_end(*both->service), std::nullopt);
  }
}

TEST_F(TcpServiceTest, ACutOrTheSwitchBreaksALiveConnectionOnBothSides) {
  run(cut_both());
}

net::Task<void> TcpServiceTest::nobody_listens() {
  const auto grant = grant_for(user);
  auto admitted = co_await data.admit(make_open(grant));
  CO_ASSERT(admitted);
  tcp_port.reset();
  auto near = co_await join_user(*std::move(admitted), tunnel::grant_host(grant, kZone), user.identity());
  CO_ASSERT(near);
  EXPECT_EQ(co_await hear_to_end(**near), std::nullopt);
  EXPECT_EQ(access.open_connections(), 0U);
}

TEST_F(TcpServiceTest, AServiceThatIsDownIsABrokenConnectionAndNoEmptyAnswer) {
  run(nobody_listens());
}

}  // namespace
}  // namespace sallyport::agent
