// Devices and strangers whose connections come inside WebSockets.
#include "relay/detail/test_relay.h"

namespace sallyport::relay::testing {
namespace {

class WebSocket : public RelayTest {};

net::Task<void> write_whole(net::Stream& stream, const Bytes& bytes, bool& written) {
  written = (co_await stream.write_all(bytes, kPatience)).has_value();
}

// A user who sends much, ends his direction, and reads to the end.
net::Task<void> use_device(WebSocket& t, tunnel::AccessGrant grant, std::uint16_t port) {
  auto stream = co_await visit(t.tree_, port, t.host_of(grant));
  CO_ASSERT(stream.has_value());
  const Bytes large = t.random_.bytes(1U << 20U);
  bool written = false;
  net::spawn(t.io_.executor(), write_whole(**stream, large, written), "test.write");
  Bytes back(large.size());
  CO_ASSERT((co_await net::read_exactly(**stream, back, kPatience)).has_value());
  EXPECT_TRUE(written && back == large);
  CO_ASSERT((co_await (*stream)->shutdown_write(kPatience)).has_value());
  const auto rest = co_await net::read_to_end(**stream, 100, kPatience);
  EXPECT_TRUE(rest && as_text(*rest) == "bye");
}

TEST_F(WebSocket, HoldsAllThatADeviceDoes) {
  const auto agent = make_device();
  agent->by_web_socket = true;
  const auto port = start_worker();
  run([](WebSocket& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await t.worker_ready() && co_await online(device, at) && co_await t.granted(grant));
    CO_ASSERT(co_await until([&] { return !t.authority_->presences.empty(); }));
    co_await use_device(t, grant, at);
    device.data_over_tls = true;
    co_await use_device(t, grant, at);
    CO_ASSERT(co_await until([&] { return t.worker().counts().joined == 0; }));
    device.data_over_tls = false;
    const auto ticket = device.take_ticket();
    CO_ASSERT(ticket.has_value());
    auto ready = co_await FakeAgent::dial(device, *ticket);
    CO_ASSERT(ready.has_value());
    CO_ASSERT(co_await until([&] { return t.worker().counts().ready == 1; }));
    net::spawn(t.io_.executor(), FakeAgent::serve(device, *std::move(ready)), "test.serve");
    co_await use_device(t, grant, at);
    EXPECT_EQ(device.opens.back().ticket, *ticket);
    EXPECT_EQ(t.worker().counts().strangers, 0U);
  }(*this, *agent, port));
}

TEST_F(WebSocket, EndsWithWhatIsInIt) {
  const auto agent = make_device();
  agent->by_web_socket = true;
  const auto port = start_worker();
  run([](WebSocket& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready() && co_await online(device, at));
    EXPECT_EQ(t.worker().counts().unwrapped, 1U);
    device.hang_up();
    CO_ASSERT(co_await until([&] { return t.worker().counts().devices == 0; }));
    CO_ASSERT(co_await until([&] { return t.worker().counts().unwrapped == 0; }));
    // And what is in it with the WebSocket: a stranger who says nothing.
    auto stranger = co_await reach_by_web_socket(at, t.random_);
    CO_ASSERT(stranger.has_value());
    CO_ASSERT(co_await until([&] { return t.worker().counts().strangers == 1; }));
    (*stranger)->close();
    CO_ASSERT(co_await until([&] { return t.worker().counts().strangers == 0; }));
    CO_ASSERT(co_await until([&] { return t.worker().counts().unwrapped == 0; }));
  }(*this, *agent, port));
}

// What is inside is another worker's; the address is that of who came.
TEST_F(WebSocket, IsTakenOffWhereItCameAndItsInsidePassedOn) {
  DeviceName name = draw_device_name(random_);
  while (owner_of(name, 2) != tunnel::WorkerSlot(1)) name = draw_device_name(random_);
  const auto agent = make_device(name, 1);
  agent->by_web_socket = true;
  const auto port = start_worker(settings(0, 2));
  start_worker(settings(1, 2));
  run([](WebSocket& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await t.worker_ready() && co_await t.worker_ready(1));
    CO_ASSERT(co_await online(device, at) && co_await t.granted(grant));
    EXPECT_EQ(t.worker(1).counts().devices, 1U);
    EXPECT_EQ(t.worker(0).counts().unwrapped, 1U);
    co_await use_device(t, grant, at);
    EXPECT_EQ(t.worker(1).counts().unwrapped, 0U);
  }(*this, *agent, port));
}

// The role has a Unix socket; its limits are per source all the same.
TEST_F(WebSocket, TellsARoleWhoCame) {
  const auto port = start_worker();
  auto status = net::Listener::unix_socket(io_.executor(), folder_ + "/status.sock");
  ASSERT_TRUE(status.has_value());
  std::vector<net::PeerInfo> peers;
  const auto take = [&peers](net::HandedOver given) { peers.push_back(given.stream->peer()); };
  net::spawn(io_.executor(), net::serve_hand_over(**status, {::geteuid()}, take), "test.status");
  run([](WebSocket& t, std::uint16_t at, std::vector<net::PeerInfo>& taken) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    auto inside = co_await reach_by_web_socket(at, t.random_);
    CO_ASSERT(inside.has_value());
    const std::string request = "POST /ocsp HTTP/1.1\r\nHost: status.devices.example\r\n\r\n";
    CO_ASSERT((co_await (*inside)->write_all(as_bytes(request), kPatience)).has_value());
    CO_ASSERT(co_await until([&] { return !taken.empty(); }));
    EXPECT_TRUE(taken.front().uid.has_value());
    EXPECT_EQ(taken.front().address.host, "127.0.0.1");
    EXPECT_NE(taken.front().address.port, 0);
  }(*this, port, peers));
}

net::Task<std::string> say_inside(net::StreamPtr inside, std::string words) {
  static_cast<void>(co_await inside->write_all(as_bytes(words), kPatience));
  const auto answer = co_await net::read_to_end(*inside, 4'096, kPatience);
  co_return answer ? std::string(as_text(*answer)) : std::string();
}

TEST_F(WebSocket, LetsNobodyInWhoWouldNotComeInWithoutIt) {
  Settings chosen = settings(0, 1);
  chosen.first_flight = milliseconds(300);
  const auto port = start_worker(chosen);
  run([](WebSocket& t, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    const std::string request(
        as_text(tunnel::encode_upgrade_request("r:80", tunnel::kWebSocketTarget, {}, SecretBytes())->expose()));
    const struct {
      std::string words;
      std::string_view begins;  // what is answered; empty: nothing
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: console.example\r\n\r\n", "HTTP/1.1 308 "},
        {"\x01\x02garbage", ""},
        {"SPD1" + std::string(tunnel::kPrefaceSize, 'x'), ""},
        {request, ""},        // another one inside
        {std::string(), ""},  // silence
    };
    for (const auto& one : cases) {
      auto inside = co_await reach_by_web_socket(at, t.random_);
      CO_ASSERT(inside.has_value());
      const std::string said = co_await say_inside(*std::move(inside), one.words);
      EXPECT_TRUE(one.begins.empty() ? said.empty() : said.starts_with(one.begins)) << one.words << " -> " << said;
    }
    CO_ASSERT(co_await until([&] { return t.worker().counts().unwrapped + t.worker().counts().strangers == 0; }));
  }(*this, port));
}

TEST_F(WebSocket, IsNotOpenedForWhoAsksForAnother) {
  const auto port = start_worker();
  run([](WebSocket& t, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    auto stream = co_await net::connect_tcp(loopback(at), kPatience);
    CO_ASSERT(stream.has_value());
    const std::string said = co_await say_inside(
        *std::move(stream), "GET /sallyport-tunnel HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
    EXPECT_TRUE(said.starts_with("HTTP/1.1 426 ")) << said;
    EXPECT_EQ(t.worker().counts().unwrapped, 0U);
  }(*this, port));
}

TEST_F(WebSocket, CountsAgainstTheSourceOfWhoCame) {
  Settings chosen = settings(0, 1);
  chosen.caps.per_source = 2;
  const auto port = start_worker(chosen);
  run([](WebSocket& t, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    std::vector<net::StreamPtr> silent;
    for (int i = 0; i < 2; ++i) {
      auto inside = co_await reach_by_web_socket(at, t.random_);
      CO_ASSERT(inside.has_value());
      silent.push_back(*std::move(inside));
      const auto expected = static_cast<std::size_t>(i) + 1;
      CO_ASSERT(co_await until([&] { return t.worker().counts().strangers == expected; }));
    }
    EXPECT_FALSE((co_await reach_by_web_socket(at, t.random_)).has_value());
    EXPECT_EQ(t.worker().counts().strangers, 2U);
  }(*this, port));
}

// Says `words` in so many pieces, each when the one before has been looked at.
net::Task<std::string> say_in_pieces(net::StreamPtr inside, std::string words, std::size_t pieces) {
  const std::size_t size = words.size() / pieces;
  for (std::size_t i = 0; i + 1 < pieces; ++i) {
    static_cast<void>(co_await inside->write_all(as_bytes(words.substr(i * size, size)), kPatience));
    co_await net::sleep_for(milliseconds(30));
  }
  co_return co_await say_inside(std::move(inside), words.substr((pieces - 1) * size));
}

TEST_F(WebSocket, IsJudgedByAllThatComesHoweverItIsCut) {
  const auto port = start_worker();
  run([](WebSocket& t, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    // A record that is whole and holds no hello is answered by an alert.
    std::string record = std::string("\x16\x03\x01\x02\x58\x01\x00\x02\x54", 9);
    record.resize(5 + 600);
    for (std::size_t pieces = 1; pieces <= 4; ++pieces) {
      for (const auto& [words, begins] : {std::pair<std::string, std::string_view>{record, "\x15\x03"},
                                          {"GET / HTTP/1.1\r\nHost: console.example\r\n\r\n", "HTTP/1.1 308"}}) {
        auto inside = co_await reach_by_web_socket(at, t.random_);
        CO_ASSERT(inside.has_value());
        const std::string said = co_await say_in_pieces(*std::move(inside), words, pieces);
        EXPECT_TRUE(said.starts_with(begins)) << pieces << " pieces: " << said;
      }
    }
  }(*this, port));
}

}  // namespace
}  // namespace sallyport::relay::testing
