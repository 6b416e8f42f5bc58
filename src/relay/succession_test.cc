// One process of a worker's slot takes over from another, and nobody notices.
#include "net/hand_over.h"
#include "relay/detail/test_relay.h"

namespace sallyport::relay::testing {
namespace {

class Succession : public RelayTest {
 public:
  Settings brief() const {
    Settings chosen = settings(0, 1);
    chosen.succession = milliseconds(400);
    return chosen;
  }
  Worker& predecessor() { return worker(0); }
  Worker& successor() { return worker(1); }

  static net::Task<bool> begin(Succession& t, FakeAgent& device, const tunnel::AccessGrant& grant, std::uint16_t port) {
    co_return co_await t.worker_ready() && co_await online(device, port) && co_await t.granted(grant);
  }
  // The successor has taken over and the device is with neither.
  static net::Task<bool> send_away(Succession& t, FakeAgent& device) {
    t.start_successor(t.brief());
    co_return co_await until([&] { return device.over; });
  }
  // The same, and the device is with the successor.
  static net::Task<bool> move(Succession& t, FakeAgent& device, std::uint16_t port) {
    co_return co_await send_away(t, device) && co_await online(device, port);
  }
};

net::Task<void> note_left(Worker& worker, bool& left) {
  co_await worker.until_left();
  left = true;
}

TEST_F(Succession, ALiveConnectionGoesOnAndNewOnesAreServedByTheSuccessor) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        const auto grant = t.make_grant(device.name);
        CO_ASSERT(co_await begin(t, device, grant, at));
        auto live = co_await visit(t.tree_, at, t.host_of(grant));
        CO_ASSERT(live.has_value());
        bool left = false;
        net::spawn(t.io_.executor(), note_left(t.predecessor(), left), "test.left");
        CO_ASSERT(co_await move(t, device, at));
        EXPECT_EQ(device.go_away->reason, tunnel::GoAwayReason::restarting);
        EXPECT_TRUE(t.predecessor().counts().is_leaving);
        EXPECT_EQ(t.successor().counts().devices, 1U);
        CO_ASSERT((co_await exchange(**live, to_bytes("still here"))).has_value());
        CO_ASSERT(co_await t.granted(grant));
        auto fresh = co_await visit(t.tree_, at, t.host_of(grant));
        CO_ASSERT(fresh.has_value());
        CO_ASSERT((co_await exchange(**fresh, to_bytes("new"))).has_value());
        EXPECT_EQ(t.successor().counts().joined, 1U);
        co_await net::sleep_for(milliseconds(600));
        CO_ASSERT((co_await exchange(**live, to_bytes("longer than the succession"))).has_value());
        EXPECT_FALSE(left);
        (*live)->close();
        CO_ASSERT(co_await until([&] { return left; }));
        co_await t.predecessor().shut_down();
        const auto& report = t.authority_->sessions.at(to_bytes(grant.id.get()));
        EXPECT_FALSE(report.ended) << "the session goes on";
        CO_ASSERT((co_await exchange(**fresh, to_bytes("and on"))).has_value());
      },
      brief());
}

// Its WebSockets are carried by the process that took them off: a device's is waited for, a role's is not, and who asks
// for one now gets it from the other.
TEST_F(Succession, WebSocketsOfDevicesAreWaitedForAndNewOnesOpenedByTheSuccessor) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        device.by_web_socket = true;
        const auto grant = t.make_grant(device.name);
        CO_ASSERT(co_await begin(t, device, grant, at));
        auto live = co_await visit(t.tree_, at, t.host_of(grant));
        CO_ASSERT(live.has_value());
        auto status = net::Listener::unix_socket(t.io_.executor(), t.folder_ + "/status.sock");
        std::vector<net::StreamPtr> given;
        const auto take = [&given](net::HandedOver one) { given.push_back(std::move(one.stream)); };
        net::spawn(t.io_.executor(), net::serve_hand_over(**status, {::geteuid()}, take), "test.status");
        auto to_role = co_await reach_by_web_socket(at, t.random_);
        CO_ASSERT(to_role.has_value());
        CO_ASSERT((co_await (*to_role)->write_all(as_bytes("GET /ocsp/x HTTP/1.1\r\n\r\n"), kPatience)).has_value());
        CO_ASSERT(co_await until([&] { return given.size() == 1; }));
        bool left = false;
        net::spawn(t.io_.executor(), note_left(t.predecessor(), left), "test.left");
        // One that has connected to the predecessor, and says what it wants when that leaves.
        auto late = co_await net::connect_tcp(loopback(at), kPatience);
        CO_ASSERT(late.has_value());
        CO_ASSERT(co_await until([&] { return t.predecessor().counts().strangers == 1; }));
        CO_ASSERT(co_await move(t, device, at));
        CO_ASSERT((co_await exchange(**live, to_bytes("still here"))).has_value());
        const auto request = tunnel::encode_upgrade_request("r:80", tunnel::kWebSocketTarget, {}, SecretBytes());
        CO_ASSERT((co_await (*late)->write_all(request->expose(), kPatience)).has_value());
        Bytes answer(12);
        CO_ASSERT((co_await net::read_exactly(**late, answer, kPatience)).has_value());
        EXPECT_EQ(as_text(answer), "HTTP/1.1 101");
        EXPECT_EQ(t.successor().counts().unwrapped, 2U);  // that, and the device
        (*late)->close();
        (*live)->close();
        CO_ASSERT(co_await until([&] { return left; }));
        EXPECT_EQ(t.predecessor().counts().unwrapped, 1U) << "the role's";
      },
      brief());
}

TEST_F(Succession, AUserWhoWaitsAtThePredecessorIsServedThere) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        device.answers_opens = false;
        const auto grant = t.make_grant(device.name);
        CO_ASSERT(co_await begin(t, device, grant, at));
        std::optional<bool> entered;
        net::spawn(
            t.io_.executor(),
            [](Succession& test, std::uint16_t to, std::string host, std::optional<bool>& out) -> net::Task<void> {
              auto stream = co_await visit(test.tree_, to, std::move(host));
              out = stream && (co_await exchange(**stream, to_bytes("late"))).has_value();
            }(t, at, t.host_of(grant), entered),
            "test.user");
        CO_ASSERT(co_await until([&] { return !device.opens.empty(); }));
        t.start_successor(t.brief());
        CO_ASSERT(co_await until([&] { return t.predecessor().counts().is_leaving; }));
        EXPECT_FALSE(device.over) << "it is still needed here";
        auto data = co_await FakeAgent::dial(device, device.opens.front().ticket);
        CO_ASSERT(data.has_value());
        net::spawn(t.io_.executor(), FakeAgent::serve(device, *std::move(data)), "test.serve");
        CO_ASSERT(co_await until([&] { return entered.has_value(); }));
        EXPECT_TRUE(*entered);
        CO_ASSERT(co_await until([&] { return device.over; }));
      },
      brief());
}

TEST_F(Succession, AUserWhoseDeviceIsBetweenTheTwoWaitsForIt) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        const auto grant = t.make_grant(device.name);
        CO_ASSERT(co_await begin(t, device, grant, at));
        CO_ASSERT(co_await send_away(t, device));
        CO_ASSERT(co_await t.granted(grant));
        device.start(at);  // has not arrived when the user does
        auto stream = co_await visit(t.tree_, at, t.host_of(grant));
        CO_ASSERT(stream.has_value());
        CO_ASSERT((co_await exchange(**stream, to_bytes("found"))).has_value());
        EXPECT_EQ(t.successor().counts().joined, 1U);
      },
      brief());
}

TEST_F(Succession, AUserOfADeviceThatIsNowhereIsRefusedInTheEnd) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        const auto grant = t.make_grant(device.name);
        CO_ASSERT(co_await begin(t, device, grant, at));
        CO_ASSERT(co_await send_away(t, device));
        CO_ASSERT(co_await t.granted(grant));
        auto stream = co_await visit(t.tree_, at, t.host_of(grant));
        CO_ASSERT(!stream.has_value());
        EXPECT_NE(stream.error().detail.find("unrecognized name"), std::string::npos) << stream.error().detail;
      },
      brief());
}

TEST_F(Succession, TheEndOfASessionIsObeyedByBoth) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        const auto grant = t.make_grant(device.name);
        CO_ASSERT(co_await begin(t, device, grant, at));
        auto before = co_await visit(t.tree_, at, t.host_of(grant));
        CO_ASSERT(before.has_value());
        CO_ASSERT(co_await move(t, device, at));
        CO_ASSERT(co_await t.granted(grant));
        auto after = co_await visit(t.tree_, at, t.host_of(grant));
        CO_ASSERT(after.has_value());
        t.authority_->send_cut(grant.id);
        EXPECT_FALSE((co_await exchange(**before, to_bytes("x"))).has_value());
        EXPECT_FALSE((co_await exchange(**after, to_bytes("x"))).has_value());
      },
      brief());
}

TEST_F(Succession, WhatIsLiveAtTheLimitIsEnded) {
  Settings chosen = brief();
  chosen.leave_limit = milliseconds(300);
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        const auto grant = t.make_grant(device.name);
        CO_ASSERT(co_await begin(t, device, grant, at));
        auto live = co_await visit(t.tree_, at, t.host_of(grant));
        CO_ASSERT(live.has_value());
        CO_ASSERT(co_await move(t, device, at));
        std::array<std::uint8_t, 1> byte{};
        const auto got = co_await (*live)->read_some(byte, kPatience);
        EXPECT_FALSE(got && *got > 0);
        EXPECT_EQ(t.predecessor().counts().joined, 0U);
      },
      chosen);
}

TEST_F(Succession, ASuccessorThatIsNeverReadyTakesNothingOver) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        const auto grant = t.make_grant(device.name);
        CO_ASSERT(co_await begin(t, device, grant, at));
        Settings cut_off = t.brief();
        cut_off.run_folder = t.folder_ + "/nowhere";
        t.start_successor(cut_off);
        for (int i = 0; i < 20; ++i) {
          auto stream = co_await visit(t.tree_, at, t.host_of(grant));
          CO_ASSERT(stream.has_value());
          co_await net::sleep_for(milliseconds(10));
        }
        EXPECT_FALSE(device.over);
        EXPECT_FALSE(t.predecessor().counts().is_leaving);
      },
      brief());
}

TEST_F(Succession, WhereNobodyHasTheSlotItIsTakenAndKept) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        CO_ASSERT(co_await t.worker_ready());
        CO_ASSERT(co_await online(device, at));
        t.workers_.clear();
        CO_ASSERT(co_await until([&] { return device.over; }));
        t.start_successor(t.brief());
        CO_ASSERT(co_await t.worker_ready());
        CO_ASSERT(co_await online(device, at));
        // What it left in the queue of the socket while nobody answered is no successor of its own.
        co_await net::sleep_for(milliseconds(600));
        EXPECT_FALSE(t.worker().counts().is_leaving);
        EXPECT_FALSE(device.over);
      },
      brief());
}

TEST_F(Succession, ASuccessorThatEndsAtOnceIsFollowedByAnother) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        const auto grant = t.make_grant(device.name);
        CO_ASSERT(co_await begin(t, device, grant, at));
        auto live = co_await visit(t.tree_, at, t.host_of(grant));
        CO_ASSERT(live.has_value());
        t.start_successor(t.brief());
        CO_ASSERT(co_await until([&] { return t.predecessor().counts().is_leaving; }));
        t.workers_.pop_back();
        t.start_successor(t.brief());
        CO_ASSERT(co_await until([&] { return device.over; }));
        CO_ASSERT(co_await online(device, at));
        EXPECT_EQ(t.successor().counts().devices, 1U);
        CO_ASSERT((co_await exchange(**live, to_bytes("still here"))).has_value());
      },
      brief());
}

TEST_F(Succession, WhoHasJustTakenOverIsNotSucceededYet) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        CO_ASSERT(co_await t.worker_ready());
        CO_ASSERT(co_await online(device, at));
        CO_ASSERT(co_await move(t, device, at));
        t.start_successor(t.brief());
        CO_ASSERT(co_await t.worker_ready(2));
        EXPECT_FALSE(t.successor().counts().is_leaving);
        CO_ASSERT(co_await until([&] { return device.over; }));
        CO_ASSERT(co_await online(device, at));
        EXPECT_EQ(t.worker(2).counts().devices, 1U);
      },
      brief());
}

TEST_F(Succession, TheSuccessorCanBeSucceeded) {
  play<Succession>(
      [](Succession& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
        CO_ASSERT(co_await t.worker_ready());
        CO_ASSERT(co_await online(device, at));
        CO_ASSERT(co_await move(t, device, at));
        co_await net::sleep_for(milliseconds(500));
        CO_ASSERT(co_await move(t, device, at));
        EXPECT_EQ(t.worker(2).counts().devices, 1U);
      },
      brief());
}

}  // namespace
}  // namespace sallyport::relay::testing
