// A node under an agent: what it asks over the inherited socket, and its methods that lead there.
#include "rpcnode/agent_link.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "net/descriptor.h"
#include "net/rpc.h"
#include "net/run.h"
#include "net/stream.h"
#include "rpcnode/agent_methods.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

// An agent at the other end of the socket.
class AgentLinkTest : public testing::Test {
 protected:
  AgentLinkTest() {
    auto ends = net::make_socket_pair();
    net::RpcOptions options;
    options.on_request = [this](const Bytes& request, const net::Caller&) { return answer(*this, request); };
    above = net::RpcPeer::start(*net::adopt_socket(io.executor(), std::move(ends->first)), std::move(options));
    link = *AgentLink::adopt(io.executor(), std::move(ends->second));
  }
  ~AgentLinkTest() override {
    above->close();
    link.reset();
    io.restart();
    io.run_for(milliseconds(5));
  }
  static net::Task<Result<Bytes>> answer(AgentLinkTest& test, Bytes request) {
    test.asked.push_back(request);
    co_return test.answers;
  }
  template <class T>
  T run(net::Task<T> task) {
    io.restart();
    return *net::run(io, std::move(task));
  }

  net::Io io;
  std::shared_ptr<net::RpcPeer> above;
  std::unique_ptr<AgentLink> link;
  Result<Bytes> answers = Bytes();
  std::vector<Bytes> asked;
};

TEST_F(AgentLinkTest, AsksForTheBundleByItsFields) {
  const sealed::Bundle bundle{.node = sealed::NodeName("pump-1"),
                              .prekey = {1},
                              .prekey_id = 2,
                              .not_before = UnixTime(1'800'000'000),
                              .not_after = UnixTime(1'800'086'400),
                              .sequence = 5};
  answers = Bytes{1, 2, 3};
  const auto made = run(link->sign(bundle));
  ASSERT_TRUE(made);
  EXPECT_EQ(*made, (Bytes{1, 2, 3}));
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(*sealed::parse_node_request(asked[0]), sealed::NodeRequest(sealed::SignBundle{.bundle = bundle}));
}

TEST_F(AgentLinkTest, WhatTheAgentRefusesIsRefusedAsItSays) {
  answers = fail(Errc::not_yet, "device: has no certificate yet");
  const auto identity = run(link->identity());
  ASSERT_FALSE(identity);
  EXPECT_EQ(identity.error().code, Errc::not_yet);
  const auto made = run(link->sign({}));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().detail, "device: has no certificate yet");
}

TEST_F(AgentLinkTest, AnAnswerThatIsNoIdentityOrNoJsonIsRefused) {
  answers = Bytes{0xFF};
  EXPECT_FALSE(run(link->identity()));
  EXPECT_FALSE(run(link->read_values()));
  EXPECT_FALSE(run(link->list_services()));
}

TEST_F(AgentLinkTest, OnceTheAgentIsGoneEverythingFailsAtOnce) {
  above->close();
  io.restart();
  net::run(io, link->ended());
  const auto identity = run(link->identity());
  ASSERT_FALSE(identity);
  EXPECT_EQ(identity.error().code, Errc::unavailable);
}

TEST_F(AgentLinkTest, ItIsToldThatTheDeviceHasAnotherCertificate) {
  int told = 0;
  link->on_identity([&] { ++told; });
  EXPECT_TRUE(above->send_event({9}));
  EXPECT_TRUE(above->send_event({sealed::kIdentityChanged, 0}));
  EXPECT_TRUE(above->send_event({sealed::kIdentityChanged}));
  io.restart();
  io.run_for(milliseconds(50));
  EXPECT_EQ(told, 1);
}

TEST_F(AgentLinkTest, NoSocketIsNoAgent) {
  int ends[2] = {};
  ASSERT_EQ(::pipe(ends), 0);
  net::Descriptor other(ends[1]);
  EXPECT_FALSE(AgentLink::adopt(io.executor(), net::Descriptor(ends[0])));
}

TEST_F(AgentLinkTest, IsNotInheritedByWhatTheNodeStarts) {
  auto socket_ends = net::make_socket_pair();
  const int number = socket_ends->first.get();
  ::fcntl(number, F_SETFD, 0);
  const auto adopted = AgentLink::adopt(io.executor(), std::move(socket_ends->first));
  ASSERT_TRUE(adopted);
  EXPECT_EQ(::fcntl(number, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

}  // namespace
}  // namespace sallyport::rpcnode
