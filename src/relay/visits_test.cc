#include "relay/detail/test_relay.h"
#include "tunnel/client_hello.h"

namespace sallyport::relay::testing {
namespace {

using records::DeviceState;

class User : public RelayTest {};

// Worker, device and grant of a user who may enter.
net::Task<bool> prepare(User& t, FakeAgent& device, const tunnel::AccessGrant& grant, std::uint16_t port) {
  if (!co_await t.worker_ready() || !co_await RelayTest::online(device, port)) co_return false;
  co_return co_await t.granted(grant);
}

net::Task<std::string> failure(const Tree& tree, std::uint16_t port, std::string host) {
  auto stream = co_await visit(tree, port, std::move(host));
  co_return stream ? "entered" : stream.error().detail;
}

TEST_F(User, WithoutAGrantLooksLikeAnUnknownName) {
  const auto agent = make_device();
  const auto other = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, FakeAgent& absent, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    auto elsewhere = grant;
    elsewhere.device = absent.name;
    auto offline = t.make_grant(absent.name);
    CO_ASSERT(co_await t.granted(offline));
    for (const auto& refused : {t.make_grant(device.name), elsewhere, offline}) {
      const std::string error = co_await failure(t.tree_, at, t.host_of(refused));
      EXPECT_NE(error.find("unrecognized name"), std::string::npos) << error;
    }
    EXPECT_TRUE(device.opens.empty());
  }(*this, *agent, *other, port));
}

TEST_F(User, IsToldWhetherTheDeviceRefusedHimOrCouldNot) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    using tunnel::RefuseCode;
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    const std::pair<RefuseCode, const char*> table[] = {
        {RefuseCode::consent_denied, "access denied"}, {RefuseCode::remote_access_off, "access denied"},
        {RefuseCode::grant_invalid, "access denied"},  {RefuseCode::grant_expired, "access denied"},
        {RefuseCode::service_down, "internal error"},  {RefuseCode::busy, "internal error"},
        {RefuseCode::dial_failed, "internal error"}};
    for (const auto& [code, wanted] : table) {
      device.refuses = code;
      const std::string error = co_await failure(t.tree_, at, t.host_of(grant));
      EXPECT_NE(error.find(wanted), std::string::npos) << tunnel::to_string(code) << ": " << error;
    }
  }(*this, *agent, port));
}

net::Task<void> write_in_pieces(net::Stream& stream, const Bytes& bytes, bool& written) {
  written = (co_await stream.write_all(bytes, kPatience)).has_value();
}

TEST_F(User, ReachesTheDeviceEndToEnd) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    auto stream = co_await visit(t.tree_, at, t.host_of(grant));
    CO_ASSERT(stream.has_value());
    const auto small = co_await exchange(**stream, to_bytes("hello"));
    CO_ASSERT(small.has_value());
    EXPECT_EQ(as_text(*small), "hello");
    CO_ASSERT(device.opens.size() == 1);
    EXPECT_EQ(device.opens.front().service, grant.service);
    const std::array anchors = {t.tree_.root};
    const auto opened = pki::open_object(pki::ControlKind::grant, device.opens.front().sealed_grant, anchors,
                                         pki::TimeRule::clock(kNow));
    CO_ASSERT(opened.has_value());
    EXPECT_TRUE(*tunnel::parse_grant(opened->payload()) == grant);
    EXPECT_EQ(t.worker().counts().joined, 1U);
    // Three megabytes, so that whole records are spliced while both directions are busy.
    const Bytes large = t.random_.bytes(3U << 20U);
    bool written = false;
    net::spawn(t.io_.executor(), write_in_pieces(**stream, large, written), "test.write");
    Bytes back(large.size());
    CO_ASSERT((co_await net::read_exactly(**stream, back, kPatience)).has_value());
    EXPECT_TRUE(written);
    EXPECT_TRUE(back == large);
    (*stream)->close();
    CO_ASSERT(co_await until([&] { return t.worker().counts().joined == 0; }));
    t.clock_.advance(kReportInterval);
    const Bytes id = to_bytes(grant.id.get());
    CO_ASSERT(co_await until([&] { return t.authority_->sessions.contains(id); }));
    const auto& report = t.authority_->sessions.at(id);
    EXPECT_EQ(report.connections, 1U);
    EXPECT_GT(report.bytes_to_device, large.size());
    EXPECT_GT(report.bytes_to_user, large.size());
    EXPECT_EQ(report.source.substr(0, 10), "127.0.0.1:");
  }(*this, *agent, port));
}

TEST_F(User, ReachesADeviceWhoseNetworkAllowsOnlyTls) {
  const auto agent = make_device();
  agent->data_over_tls = true;
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    for (const bool is_ready : {false, true}) {
      if (is_ready) {
        const auto ticket = device.take_ticket();
        CO_ASSERT(ticket.has_value());
        auto data = co_await FakeAgent::dial_over_tls(device, *ticket);
        CO_ASSERT(data.has_value());
        CO_ASSERT(co_await until([&] { return t.worker().counts().ready == 1; }));
        net::spawn(t.io_.executor(), FakeAgent::serve(device, *std::move(data)), "test.serve");
      }
      auto stream = co_await visit(t.tree_, at, t.host_of(grant));
      CO_ASSERT(stream.has_value());
      const Bytes large = t.random_.bytes(500'000);
      bool written = false;
      net::spawn(t.io_.executor(), write_in_pieces(**stream, large, written), "test.write");
      Bytes back(large.size());
      CO_ASSERT((co_await net::read_exactly(**stream, back, kPatience)).has_value());
      EXPECT_TRUE(back == large);
      CO_ASSERT((co_await (*stream)->shutdown_write(kPatience)).has_value());
      const auto rest = co_await net::read_to_end(**stream, 100, kPatience);
      EXPECT_TRUE(rest && as_text(*rest) == "bye");
      (*stream)->close();
      CO_ASSERT(co_await until([&] { return t.worker().counts().joined == 0; }));
    }
    EXPECT_EQ(device.opens.size(), 2U);
  }(*this, *agent, port));
}

TEST_F(User, EndOfOneDirectionIsNotTheEndOfTheOther) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    auto stream = co_await visit(t.tree_, at, t.host_of(grant));
    CO_ASSERT(stream.has_value());
    CO_ASSERT((co_await (*stream)->write_all(as_bytes("hello"), kPatience)).has_value());
    CO_ASSERT((co_await (*stream)->shutdown_write(kPatience)).has_value());
    const auto rest = co_await net::read_to_end(**stream, 100, kPatience);
    CO_ASSERT(rest.has_value());
    EXPECT_EQ(as_text(*rest), "hellobye");
  }(*this, *agent, port));
}

TEST_F(User, CutOfTheGrantEndsEverythingOfTheSession) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    auto stream = co_await visit(t.tree_, at, t.host_of(grant));
    CO_ASSERT(stream.has_value());
    CO_ASSERT((co_await exchange(**stream, to_bytes("hello"))).has_value());
    t.authority_->send_cut(grant.session());
    std::array<std::uint8_t, 16> buffer;
    EXPECT_FALSE((co_await (*stream)->read_some(buffer, kPatience)).has_value());
    CO_ASSERT(co_await until([&] { return device.cuts.size() == 1; }));
    const Bytes id = to_bytes(grant.id.get());
    CO_ASSERT(
        co_await until([&] { return t.authority_->sessions.contains(id) && t.authority_->sessions.at(id).ended; }));
    EXPECT_EQ(t.authority_->sessions.at(id).reason, "told to");
    EXPECT_NE(co_await failure(t.tree_, at, t.host_of(grant)), "entered");
  }(*this, *agent, port));
}

TEST_F(User, GrantThatIsNotRenewedEndsItsConnections) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    auto renewed = grant;
    renewed.id = tunnel::draw_grant_id(t.random_);
    renewed.renews = grant.id;
    renewed.expires = grant.expires + seconds(100);
    renewed.issued = grant.issued + seconds(100);
    t.clock_.advance(seconds(100));
    CO_ASSERT(co_await until([&] { return t.worker().counts().has_lease; }));
    CO_ASSERT(co_await t.granted(renewed));
    auto stream = co_await visit(t.tree_, at, t.host_of(grant));
    if (!stream) {  // the jump of time has ended the silent control connection: the device comes back first
      CO_ASSERT(co_await until([&] { return device.over; }));
      device.accepted = false;
      CO_ASSERT(co_await RelayTest::online(device, at));
      stream = co_await visit(t.tree_, at, t.host_of(grant));
    }
    CO_ASSERT(stream.has_value());
    t.clock_.advance(seconds(460));
    std::array<std::uint8_t, 16> buffer;
    EXPECT_FALSE((co_await (*stream)->read_some(buffer, kPatience)).has_value());
    EXPECT_EQ(t.worker().counts().grants, 0U);
  }(*this, *agent, port));
}

TEST_F(User, RenewalReachesTheDevice) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    auto renewed = grant;
    renewed.id = tunnel::draw_grant_id(t.random_);
    renewed.renews = grant.id;
    renewed.expires = grant.expires + seconds(0);
    CO_ASSERT(co_await t.granted(renewed));
    CO_ASSERT(co_await until([&] { return device.renewals == 1; }));
    EXPECT_EQ(t.worker().counts().grants, 1U);
  }(*this, *agent, port));
}

TEST_F(User, SwitchingRemoteAccessOffEndsLiveConnections) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    auto stream = co_await visit(t.tree_, at, t.host_of(grant));
    CO_ASSERT(stream.has_value());
    t.authority_->set_device(device.name, DeviceState::claimed, false);
    t.authority_->publish();
    std::array<std::uint8_t, 16> buffer;
    EXPECT_FALSE((co_await (*stream)->read_some(buffer, kPatience)).has_value());
    EXPECT_FALSE(device.over) << "the device itself may stay";
    EXPECT_NE(co_await failure(t.tree_, at, t.host_of(grant)), "entered");
  }(*this, *agent, port));
}

TEST_F(User, ForgedGrantIsNotTaken) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    CO_ASSERT(co_await t.worker_ready());
    CO_ASSERT(co_await RelayTest::online(device, at));
    Tree stranger;
    std::swap(stranger.grants, t.tree_.grants);
    std::swap(stranger.control_ca, t.tree_.control_ca);
    t.authority_->send_grant(t.make_grant(device.name));
    std::swap(stranger.grants, t.tree_.grants);
    std::swap(stranger.control_ca, t.tree_.control_ca);
    CO_ASSERT(co_await t.granted(t.make_grant(device.name)));
    EXPECT_EQ(t.worker().counts().grants, 1U) << "the one that came after it alone";
  }(*this, *agent, port));
}

TEST_F(User, StolenTicketJoinsNobody) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    const auto ticket = device.take_ticket();
    CO_ASSERT(ticket.has_value());
    auto first = co_await FakeAgent::dial(device, *ticket);
    CO_ASSERT(first.has_value());
    CO_ASSERT(co_await until([&] { return t.worker().counts().ready == 1; }));
    std::array<std::uint8_t, 16> buffer;
    // The same ticket again, one of nobody, one of a worker that does not exist.
    for (auto slot :
         {std::optional<std::uint16_t>(), std::optional<std::uint16_t>(0), std::optional<std::uint16_t>(9)}) {
      auto shown = slot ? tunnel::draw_ticket(tunnel::WorkerSlot(*slot), t.random_) : *ticket;
      auto thief = co_await FakeAgent::dial(device, shown);
      CO_ASSERT(thief.has_value());
      const auto got = co_await (*thief)->read_some(buffer, kPatience);
      EXPECT_TRUE(!got || *got == 0);
    }
    EXPECT_EQ(t.worker().counts().ready, 1U);
    // A ready connection that speaks first is no connection, and its ticket is replaced.
    CO_ASSERT((co_await (*first)->write_all(as_bytes("x"), kPatience)).has_value());
    CO_ASSERT(co_await until([&] { return t.worker().counts().ready == 0; }));
  }(*this, *agent, port));
}

TEST_F(User, ReadyConnectionIsUsedWithoutDialling) {
  const auto agent = make_device();
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    const auto ticket = device.take_ticket();
    CO_ASSERT(ticket.has_value());
    auto data = co_await FakeAgent::dial(device, *ticket);
    CO_ASSERT(data.has_value());
    CO_ASSERT(co_await until([&] { return t.worker().counts().ready == 1; }));
    net::spawn(t.io_.executor(), FakeAgent::serve(device, *std::move(data)), "test.serve");
    auto stream = co_await visit(t.tree_, at, t.host_of(grant));
    CO_ASSERT(stream.has_value());
    CO_ASSERT((co_await exchange(**stream, to_bytes("hello"))).has_value());
    CO_ASSERT(device.opens.size() == 1);
    EXPECT_EQ(device.opens.front().ticket, *ticket);
  }(*this, *agent, port));
}

TEST_F(User, WhoHangsUpWhileWaitingIsForgotten) {
  const auto agent = make_device();
  agent->answers_opens = false;
  const auto port = start_worker();
  run([](User& t, FakeAgent& device, std::uint16_t at) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await prepare(t, device, grant, at));
    bool ended = false;
    net::spawn(
        t.io_.executor(),
        [](User& self, std::uint16_t to, std::string host, bool& over) -> net::Task<void> {
          static_cast<void>(co_await visit(self.tree_, to, std::move(host)));
          over = true;
        }(t, at, t.host_of(grant), ended),
        "test.user");
    CO_ASSERT(co_await until([&] { return t.worker().counts().waiting == 1; }));
    // The device goes: its user must not wait.
    device.hang_up();
    CO_ASSERT(co_await until([&] { return ended && t.worker().counts().waiting == 0; }));
  }(*this, *agent, port));
}

TEST_F(User, WorkersHandOverToTheOwnerOfTheDevice) {
  // Whoever is dialled, everything of the device meets at its owner.
  DeviceName name = draw_device_name(random_);
  while (owner_of(name, 2) != tunnel::WorkerSlot(1)) name = draw_device_name(random_);
  const auto agent = make_device(name, 1);
  const auto port = start_worker(settings(0, 2));
  const auto owner_port = start_worker(settings(1, 2));
  run([](User& t, FakeAgent& device, std::uint16_t at, std::uint16_t owner) -> net::Task<void> {
    const auto grant = t.make_grant(device.name);
    CO_ASSERT(co_await t.worker_ready(1));
    CO_ASSERT(co_await prepare(t, device, grant, at));
    EXPECT_EQ(t.worker(0).counts().devices, 0U);
    EXPECT_EQ(t.worker(1).counts().devices, 1U);
    for (const std::uint16_t door : {at, owner}) {
      auto stream = co_await visit(t.tree_, door, t.host_of(grant));
      CO_ASSERT(stream.has_value());
      CO_ASSERT((co_await exchange(**stream, to_bytes("hello"))).has_value());
      EXPECT_EQ(t.worker(0).counts().joined, 0U);
      EXPECT_GE(t.worker(1).counts().joined, 1U);
    }
    EXPECT_EQ(device.opens.front().client_address.substr(0, 10), "127.0.0.1:");
  }(*this, *agent, port, owner_port));
}

}  // namespace
}  // namespace sallyport::relay::testing
