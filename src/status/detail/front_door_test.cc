#include "status/detail/front_door.h"

#include <gtest/gtest.h>

#include "http/client.h"
#include "net/io.h"
#include "net/run.h"

namespace sallyport::status {
namespace {

constexpr milliseconds kSoon{5'000};

net::Task<http::Response> say_yes(http::Request, net::PeerInfo) {
  co_return http::Response::text("yes");
}

http::Router one_route() {
  http::Router router;
  router.add("GET", "/", say_yes);
  return router;
}

net::Task<unsigned> ask_once(http::Client& client) {
  const auto answer = co_await client.send({}, kSoon);
  co_return answer ? answer->status : 0;
}

class StatusDoorTest : public ::testing::Test {
 protected:
  // Our end of a connection that the door has.
  http::Client hand_over(FrontDoor& door, bool is_tls) {
    auto pair = net::make_socket_pair();
    auto near = net::adopt_socket(io.executor(), std::move(pair->first));
    auto far = net::adopt_socket(io.executor(), std::move(pair->second));
    net::HandedOver connection{.stream = *std::move(far), .is_tls = is_tls, .source = "192.0.2.1:5000"};
    net::spawn(io.executor(), door.serve(std::move(connection), nullptr), "test.door");
    return http::Client(*std::move(near), "status.test");
  }
  unsigned ask(http::Client& client) { return net::run(io, ask_once(client)).value_or(0); }

  unsigned asked_until_answered(FrontDoor& door) {
    const net::Deadline deadline(kSoon);
    unsigned status = 0;
    while (status == 0 && !deadline.passed()) {
      auto next = hand_over(door, false);
      status = ask(next);
    }
    return status;
  }

  net::Io io;
  http::Server server{one_route()};
};

TEST_F(StatusDoorTest, OneSourceHasSoManyConnectionsAndNoMore) {
  FrontDoor door(server, 3, 2);
  auto first = hand_over(door, false);
  auto second = hand_over(door, false);
  EXPECT_EQ(ask(first), 200U);
  EXPECT_EQ(ask(second), 200U);
  auto third = hand_over(door, false);
  EXPECT_EQ(ask(third), 0U) << "closed at once";
  EXPECT_EQ(ask(first), 200U) << "who was there goes on";
}

TEST_F(StatusDoorTest, WhoAsksNothingMakesRoom) {
  static_assert(kMaxConnectionsPerSource * 4 < kMaxConnections, "a few sources that stall leave room to others");
  http::ServerOptions options;
  options.idle_limit = milliseconds(20);
  const http::Server impatient(one_route(), options);
  FrontDoor door(impatient, 1, 1);
  const auto stalls = hand_over(door, false);
  EXPECT_EQ(asked_until_answered(door), 200U);
}

TEST_F(StatusDoorTest, OneThatHasEndedMakesRoom) {
  FrontDoor door(server, 1, 1);
  auto early = hand_over(door, true);
  EXPECT_EQ(ask(early), 0U) << "there is no certificate yet";
  EXPECT_EQ(asked_until_answered(door), 200U);
}

}  // namespace
}  // namespace sallyport::status
