#include "agent/data_dialer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "agent/detail/test_roads.h"

namespace sallyport::agent {
namespace {

using testing::kDevice;
using testing::kNow;
using testing::kSoon;
using testing::kZone;
using testing::PlainStatus;
using testing::Responder;
using testing::Road;
using testing::Tree;

constexpr std::string_view kHello = "the user's first bytes";

// A relay that joins a ticket once with a user who waits for it, raw or inside TLS, and a firewall before it.
class DataDialerTest : public ::testing::Test {
 protected:
  enum class Firewall : std::uint8_t { open, resets, drops, drops_answers };
  DataDialerTest()
      : responder(tree),
        plain(io, responder),
        relay(io, [this](net::StreamPtr stream) { return receive(*this, std::move(stream)); }),
        state(*AgentState::initialise(folder / "state", settings(), tree.root, random)),
        clock(kNow),
        time(clock, true, UnixTime()),
        way_out(state, random),
        check(state, time, random, way_out),
        dialer(state, time, check, way_out),
        data(tasks, dialer, time, under(kDevice.get(), under("relay", kZone))) {}
  ~DataDialerTest() override { io.stop(); }

  Settings settings() const {
    Settings out = testing::make_settings();
    out.relay_address = relay.address();
    out.http_address = plain.address();
    return out;
  }

  static net::Task<void> receive(DataDialerTest& self, net::StreamPtr stream) {
    static_cast<void>(co_await stream->wait_readable(kSoon));
    std::array<std::uint8_t, 1> first{};
    if (::recv(stream->native(), first.data(), 1, MSG_PEEK) != 1) co_return;
    if (first[0] == 0x16) {
      ++self.sealed;
      co_await unseal(self, std::move(stream));
      co_return;
    }
    ++self.raw;
    if (self.firewall == Firewall::resets) co_return;
    if (self.firewall == Firewall::drops) {
      co_await net::sleep_for(kSoon);
      co_return;
    }
    co_await join(self, std::move(stream), self.firewall == Firewall::drops_answers);
  }
  static net::Task<void> unseal(DataDialerTest& self, net::StreamPtr stream) {
    crypto::TlsServerSettings settings;
    settings.identity = Tree::identity(self.tree.relay, self.tree.server_ca);
    settings.alpn = {std::string(tunnel::kDataAlpn)};
    settings.require_alpn = true;
    auto context = crypto::TlsContext::server(std::move(settings));
    auto opened = co_await net::tls_accept(std::move(stream), *context, kSoon);
    if (!opened) co_return;
    EXPECT_EQ((*opened)->peer().server_name, kDevice.get() + ".relay." + kZone.get());
    EXPECT_TRUE((*opened)->peer().tls_chain.empty()) << "no certificate is shown";
    co_await join(self, *std::move(opened), false);
  }
  // Echoes after the user's first bytes.
  static net::Task<void> join(DataDialerTest& self, net::StreamPtr stream, bool is_swallowed) {
    Bytes preface(tunnel::kPrefaceSize);
    if (!co_await net::read_exactly(*stream, preface, kSoon)) co_return;
    const auto ticket = tunnel::parse_preface(preface);
    EXPECT_TRUE(ticket && *ticket);
    if (!self.is_waiting || !self.unspent.erase(**ticket)) co_return;
    if (is_swallowed) co_await net::sleep_for(kSoon);
    if (!co_await stream->write_all(as_bytes(kHello), kSoon)) co_return;
    Bytes piece(64);
    for (;;) {
      const auto count = co_await stream->read_some(piece, kSoon);
      if (!count || *count == 0) co_return;
      if (!co_await stream->write_all(ByteView(piece).first(*count), kSoon)) co_return;
    }
  }

  static net::Task<void> use(DataDialerTest& self, Result<void>& outcome) {
    const auto ticket = tunnel::draw_ticket(tunnel::WorkerSlot(3), self.random);
    self.unspent.insert(ticket);
    auto stream = co_await self.data.dial(ticket, 0, "network");
    if (!stream) {
      outcome = std::unexpected(stream.error());
      co_return;
    }
    socklen_t size = sizeof(self.keepalive_idle);
    ::getsockopt((*stream)->native(), IPPROTO_TCP, TCP_KEEPIDLE, &self.keepalive_idle, &size);
    Bytes hello(kHello.size());
    CO_ASSERT(co_await net::read_exactly(**stream, hello, kSoon));
    EXPECT_EQ(as_text(hello), kHello);
    CO_ASSERT(co_await (*stream)->write_all(as_bytes("and more"), kSoon));
    Bytes more(8);
    CO_ASSERT(co_await net::read_exactly(**stream, more, kSoon));
    EXPECT_EQ(as_text(more), "and more");
    outcome = {};
  }
  Result<void> use() {
    Result<void> outcome = fail(Errc::internal, "not finished");
    io.restart();
    net::run(io, use(*this, outcome));
    return outcome;
  }
  bool is_sealed() const { return way_out.find_network("network").is_sealed; }

  net::Io io;
  crypto::SystemRandom random;
  Tree tree;
  Responder responder;
  PlainStatus plain;
  Road relay;
  testing::Folder folder;
  AgentState state;
  ManualClock clock;
  DeviceTime time;
  WayOut way_out;
  ServerCheck check;
  ServerDialer dialer;
  net::TaskGroup tasks{io.executor()};
  DataDialer data;
  Firewall firewall = Firewall::open;
  bool is_waiting = true;
  std::set<tunnel::Ticket> unspent;
  std::size_t raw = 0, sealed = 0;
  int keepalive_idle = 0;
};

TEST_F(DataDialerTest, IsRawWhereThatGetsThrough) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(use());
  EXPECT_EQ(raw, 3U);
  EXPECT_EQ(sealed, 0U);
  EXPECT_FALSE(is_sealed());
}

TEST_F(DataDialerTest, GoesInsideTlsWhereRawIsResetAndRemembersIt) {
  firewall = Firewall::resets;
  for (int i = 0; i < 3; ++i) {
    const auto used = use();
    ASSERT_TRUE(used) << used.error().detail;
  }
  EXPECT_EQ(raw, 1U) << "found out once";
  EXPECT_EQ(sealed, 3U);
  EXPECT_TRUE(is_sealed());
  EXPECT_EQ(state.way_memory().networks.front().network, "network");
}

TEST_F(DataDialerTest, GoesInsideTlsWhereRawIsSwallowed) {
  firewall = Firewall::drops;
  const auto used = use();
  ASSERT_TRUE(used) << used.error().detail;
  EXPECT_EQ(raw, 1U);
  EXPECT_EQ(sealed, 1U);
  EXPECT_TRUE(is_sealed());
}

// The relay has joined the ticket by then, so that this user is lost; the next one is not.
TEST_F(DataDialerTest, LosesOneUserWhereOnlyAnswersAreSwallowed) {
  firewall = Firewall::drops_answers;
  EXPECT_FALSE(use());
  EXPECT_TRUE(is_sealed());
  const auto used = use();
  EXPECT_TRUE(used) << used.error().detail;
  EXPECT_EQ(raw, 1U);
}

TEST_F(DataDialerTest, LearnsNothingFromAUserWhoIsGone) {
  is_waiting = false;
  EXPECT_FALSE(use());
  EXPECT_FALSE(is_sealed());
  is_waiting = true;
  ASSERT_TRUE(use());
  EXPECT_EQ(raw, 2U);
}

TEST_F(DataDialerTest, TriesRawAgainAfterADayAndAfterItFailedInsideTls) {
  firewall = Firewall::resets;
  ASSERT_TRUE(use());
  firewall = Firewall::open;
  ASSERT_TRUE(use());
  EXPECT_EQ(raw, 1U);
  clock.advance(kTryRawAfter);
  ASSERT_TRUE(use());
  EXPECT_EQ(raw, 2U);
  EXPECT_FALSE(is_sealed());

  way_out.keep_network({.network = "network", .ping = {}, .is_sealed = true});
  is_waiting = false;
  EXPECT_FALSE(use());
  EXPECT_FALSE(is_sealed());
}

TEST_F(DataDialerTest, IsSilentNoLongerThanTheNatStands) {
  ASSERT_TRUE(use());
  EXPECT_EQ(keepalive_idle, 15);
  way_out.keep_network({.network = "network", .ping = {.current = seconds(7), .ceiling = seconds(8)}});
  ASSERT_TRUE(use());
  EXPECT_EQ(keepalive_idle, 7);
}

TEST_F(DataDialerTest, ShowsNoTicketToWhoeverInspectsTls) {
  firewall = Firewall::resets;
  tree.relay = Tree().relay;
  EXPECT_FALSE(use());
  EXPECT_EQ(unspent.size(), 1U);
  EXPECT_FALSE(is_sealed());
}

}  // namespace
}  // namespace sallyport::agent
