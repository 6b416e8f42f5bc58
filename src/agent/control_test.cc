#include "agent/control.h"

#include "agent/detail/test_installation.h"

namespace sallyport::agent {
namespace {

using testing::kDevice;
using testing::kNow;
using testing::kSoon;
using testing::kZone;
using testing::PlainStatus;
using testing::Responder;
using testing::TlsPort;
using testing::Tree;

// A relay that runs the real session and remembers what it was told.
struct FakeRelay {
  explicit FakeRelay(Random& source) : random(source) {}

  net::Task<void> serve(net::StreamPtr stream) {
    ++connections;
    tunnel::RelaySession session(tunnel::WorkerSlot(0), random, Instant());
    Bytes piece(1'024);
    for (;;) {
      const auto count = co_await stream->read_some(piece, kSoon);
      if (!count || *count == 0) co_return;
      bytes += *count;
      Bytes out;
      take(session, session.on_bytes(ByteView(piece).first(*count), Instant()), out);
      if (auto written = co_await stream->write_all(out, kSoon); !written) co_return;
    }
  }
  void take(tunnel::RelaySession& session, tunnel::RelayActions actions, Bytes& out) {
    for (auto& action : actions) {
      if (auto* send = std::get_if<tunnel::SendBytes>(&action)) append(out, send->bytes);
      if (auto* status = std::get_if<tunnel::StatusReceived>(&action)) switches.push_back(status->status.remote_access);
      if (auto* greeted = std::get_if<tunnel::HelloReceived>(&action)) {
        hellos.push_back(greeted->hello);
        if (send_away) {
          take(session, session.send_away(tunnel::GoAwayReason::restarting, milliseconds(600'000), Instant()), out);
        } else {
          take(session, session.admit(Instant()), out);
        }
      }
    }
  }

  Random& random;
  bool send_away = false;
  std::size_t connections = 0, bytes = 0;
  std::vector<tunnel::HelloFrame> hellos;
  std::vector<bool> switches;
};

net::Task<Result<net::StreamPtr>> no_pages() {
  co_return fail(Errc::unavailable, "no pages");
}

class ControlTest : public ::testing::Test {
 protected:
  ControlTest()
      : responder(tree),
        plain(io, responder),
        tls(io),
        relay(random),
        state(*AgentState::initialise(folder / "state", settings(), tree.root, random)),
        clock(kNow),
        time(clock, true, UnixTime()),
        way_out(state.settings(), random),
        check(state, time, random, way_out),
        dialer(state, time, check, way_out),
        access(state, time, check, random, kDevice),
        data(
            state.settings(), access, [] { return std::nullopt; }, no_pages),
        control(tasks, state.settings(), time, dialer, check, access, data, random, kDevice,
                [this] { return Tree::identity(tree.web, tree.web_ca); }) {
    tls.add(under(kDevice.get(), under("relay", kZone)), Tree::identity(tree.relay, tree.server_ca),
            [this](net::StreamPtr stream) { return relay.serve(std::move(stream)); });
    tls.start();
    access.on_switch([this] { control.send_status(); });
  }

  Settings settings() const {
    Settings out = testing::make_settings();
    out.relay_address = tls.address();
    out.http_address = plain.address();
    return out;
  }
  template <class Condition>
  net::Task<void> wait_until(Condition condition) {
    const net::Deadline deadline(kSoon);
    while (!condition() && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
    EXPECT_TRUE(condition());
  }
  template <class Condition>
  void run_until(Condition condition) {
    io.restart();
    net::run(io, wait_until(condition));
  }
  void start() { net::spawn(io.executor(), control.run(), "test.control"); }

  net::Io io;
  crypto::SystemRandom random;
  Tree tree;
  Responder responder;
  PlainStatus plain;
  TlsPort tls;
  FakeRelay relay;
  testing::Folder folder;
  AgentState state;
  ManualClock clock;
  DeviceTime time;
  WayOut way_out;
  ServerCheck check;
  ServerDialer dialer;
  RemoteAccess access;
  DataConnections data;
  net::TaskGroup tasks{io.executor()};
  ControlConnection control;
};

TEST_F(ControlTest, GreetsACheckedRelayAndTellsItOfTheSwitch) {
  start();
  run_until([&] { return control.state() == ControlState::established; });
  ASSERT_EQ(relay.hellos.size(), 1U);
  EXPECT_TRUE(relay.hellos.front().remote_access);
  ASSERT_EQ(relay.hellos.front().services.size(), 1U);
  EXPECT_EQ(relay.hellos.front().services.front().name.get(), kDeviceService);
  ASSERT_TRUE(access.set_on(false));
  run_until([&] { return !relay.switches.empty(); });
  EXPECT_FALSE(relay.switches.front());
}

TEST_F(ControlTest, SaysNothingToARevokedRelay) {
  responder.revoked.insert(tree.relay.certificate.serial().hex());
  start();
  run_until([&] { return !control.last_error().empty(); });
  run_until([&] { return relay.connections == 1; });
  EXPECT_EQ(relay.bytes, 0U);
  EXPECT_EQ(control.state(), ControlState::down);
}

TEST_F(ControlTest, StaysAwayAsLongAsItIsTold) {
  relay.send_away = true;
  start();
  run_until([&] { return !control.last_error().empty() && control.state() == ControlState::down; });
  EXPECT_NE(control.last_error().find("restarting"), std::string::npos) << control.last_error();
  EXPECT_EQ(relay.connections, 1U);
}

TEST_F(ControlTest, TriesARenewedCertificateAtOnceInsteadOfBackingOff) {
  relay.send_away = true;
  start();
  run_until([&] { return !control.last_error().empty() && control.state() == ControlState::down; });
  relay.send_away = false;
  control.reconnect();
  run_until([&] { return control.state() == ControlState::established; });
  EXPECT_EQ(relay.connections, 2U);
}

TEST_F(ControlTest, ComesBackAfterARenewal) {
  start();
  run_until([&] { return control.state() == ControlState::established; });
  control.reconnect();
  run_until([&] { return relay.hellos.size() == 2; });
  EXPECT_EQ(relay.hellos.front().boot_id, relay.hellos.back().boot_id);
}

// A relay that says it has the device's CA.
class KnownIssuer : public ControlTest {
 protected:
  KnownIssuer() {
    tls.client_issuers = {to_bytes(tree.web_ca.certificate.subject().der())};
    tls.judge_client = [this](std::span<const Bytes> chain) -> Result<void> {
      shown.push_back(chain.size());
      if (chain.size() == 1 && !has_ca) return fail(Errc::not_found, "another CA of that name");
      return {};
    };
  }
  void come_back() {
    const auto before = shown.size();
    control.reconnect();
    run_until([&] { return shown.size() > before; });
  }

  bool has_ca = true;
  std::vector<std::size_t> shown;  // certificates
};

TEST_F(KnownIssuer, GetsTheLeafAlone) {
  start();
  run_until([&] { return control.state() == ControlState::established; });
  come_back();
  run_until([&] { return control.state() == ControlState::established; });
  EXPECT_EQ(shown, (std::vector<std::size_t>{1, 1}));
}

TEST_F(KnownIssuer, OfAnotherCaGetsTheChainOnceItHasRefused) {
  has_ca = false;
  start();
  run_until([&] { return !control.last_error().empty() && control.state() == ControlState::down; });
  EXPECT_TRUE(relay.hellos.empty());
  come_back();
  run_until([&] { return control.state() == ControlState::established; });
  come_back();
  run_until([&] { return control.state() == ControlState::established; });
  EXPECT_EQ(shown, (std::vector<std::size_t>{1, 2, 2}));
}

TEST_F(KnownIssuer, ThatSendsTheDeviceAwayHasUnderstoodIt) {
  relay.send_away = true;
  start();
  run_until([&] { return !control.last_error().empty() && control.state() == ControlState::down; });
  relay.send_away = false;
  come_back();
  run_until([&] { return control.state() == ControlState::established; });
  EXPECT_EQ(shown, (std::vector<std::size_t>{1, 1}));
}

TEST_F(KnownIssuer, OfAnotherNameGetsTheChain) {
  tls.client_issuers = {to_bytes(tree.server_ca.certificate.subject().der())};
  start();
  run_until([&] { return control.state() == ControlState::established; });
  EXPECT_EQ(shown, (std::vector<std::size_t>{2}));
}

}  // namespace
}  // namespace sallyport::agent
