#include "tunnel/control_session.h"

#include <gtest/gtest.h>

#include <set>

#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

constexpr Instant kStart{hours(1)};

AgentHello agent_hello(bool remote_access = true) {
  return {.boot_id = BootId({7}),
          .agent_version = "1.0.0",
          .remote_access = remote_access,
          .services = {{.name = ServiceName("web"), .kind = ServiceKind::http},
                       {.name = ServiceName("ssh"), .kind = ServiceKind::tcp}}};
}

HelloFrame hello_frame() {
  const AgentHello hello = agent_hello();
  return {.version = kProtocolVersion,
          .boot_id = hello.boot_id,
          .remote_access = hello.remote_access,
          .agent_version = hello.agent_version,
          .services = hello.services};
}

OpenFrame open_of(const Ticket& ticket, std::string_view service = "web") {
  return {.ticket = ticket,
          .sealed_grant = {1, 2, 3},
          .client_address = "192.0.2.1",
          .service = ServiceName(std::string(service))};
}

Ticket ticket_of(std::uint8_t number) {
  Ticket ticket;
  ticket.bytes[31] = number;
  return ticket;
}

template <class T, class Actions>
const T* find_action(const Actions& actions) {
  for (const auto& action : actions) {
    if (const T* found = std::get_if<T>(&action)) return found;
  }
  return nullptr;
}

template <class Actions>
std::vector<Frame> frames_in(const Actions& actions) {
  std::vector<Frame> out;
  for (const auto& action : actions) {
    if (const auto* send = std::get_if<SendBytes>(&action)) out.push_back(parse_frame(send->bytes).value());
  }
  return out;
}

// What a peer sees of a frame: what was sent, or why it was closed.
template <class Actions>
std::string describe(const Actions& actions) {
  std::string out;
  for (const auto& action : actions) {
    std::string word;
    std::visit(
        [&](const auto& a) {
          using A = std::decay_t<decltype(a)>;
          if constexpr (std::is_same_v<A, SendBytes>) word = to_string(type_of(parse_frame(a.bytes).value()));
          if constexpr (std::is_same_v<A, Close>) word = fmt::format("close:{}", to_string(a.reason));
          if constexpr (std::is_same_v<A, Accepted>) word = "accepted";
          if constexpr (std::is_same_v<A, OpenAsked>) word = "open";
          if constexpr (std::is_same_v<A, DropReady>) word = "drop";
          if constexpr (std::is_same_v<A, GrantRenewed>) word = "renewed";
          if constexpr (std::is_same_v<A, CutAsked>) word = "cut";
          if constexpr (std::is_same_v<A, ResumptionGiven>) word = "resumption";
          if constexpr (std::is_same_v<A, HelloReceived>) word = "hello";
          if constexpr (std::is_same_v<A, TicketsIssued>) word = "issued";
          if constexpr (std::is_same_v<A, OpenRefused>) word = "refused";
          if constexpr (std::is_same_v<A, StatusReceived>) word = "status";
          if constexpr (std::is_same_v<A, ProbeAnswered>) word = "answered";
        },
        action);
    if (!word.empty()) out += (out.empty() ? "" : " ") + word;
  }
  return out;
}

// One frame of each type, in the order of their numbers.
std::vector<Frame> every_frame() {
  return {hello_frame(),
          TicketsFrame{.tickets = {ticket_of(9)}},
          open_of(ticket_of(1)),
          GrantFrame{.sealed_grant = {1}},
          RefuseFrame{.ticket = ticket_of(1), .code = RefuseCode::busy},
          PingFrame{.token = 5, .interval_s = 15, .round_trip_us = std::nullopt},
          PongFrame{.token = 5},
          CutFrame{.session = GrantId({1})},
          GoAwayFrame{.reason = GoAwayReason::restarting, .come_back_in = milliseconds(100)},
          StatusFrame{.remote_access = false, .services = {}},
          ResumptionFrame{.identity = {1}}};
}

AgentSession agent_in(AgentState state, PingInterval& interval) {
  AgentSession agent(agent_hello(), interval);
  agent.start(kStart);
  if (state == AgentState::greeting) return agent;
  agent.on_bytes(encode_frame(TicketsFrame{.tickets = {ticket_of(1), ticket_of(2)}}), kStart);
  if (state == AgentState::closed) agent.on_bytes(encode_frame(hello_frame()), kStart);
  return agent;
}

TEST(AgentSession, EveryFrameInEveryState) {
  const std::string violation = "close:violation";
  const struct {
    AgentState state;
    std::vector<std::string> want;  // HELLO TICKETS OPEN GRANT REFUSE PING PONG CUT GOAWAY STATUS RESUMPTION
  } rows[] = {
      {AgentState::greeting,
       {violation, "accepted PING", violation, violation, violation, "PONG", violation, violation, "close:told_to_go",
        violation, violation}},
      {AgentState::established,
       {violation, "", "open", "renewed", violation, "PONG", "", "cut", "close:told_to_go", violation, "resumption"}},
      {AgentState::closed, {"", "", "", "", "", "", "", "", "", "", ""}},
  };
  for (const auto& row : rows) {
    const auto frames = every_frame();
    for (std::size_t i = 0; i < frames.size(); ++i) {
      PingInterval interval;
      AgentSession agent = agent_in(row.state, interval);
      ASSERT_EQ(agent.state(), row.state);
      EXPECT_EQ(describe(agent.on_bytes(encode_frame(frames[i]), kStart)), row.want[i])
          << "state " << static_cast<int>(row.state) << ", " << to_string(type_of(frames[i]));
    }
  }
}

RelaySession relay_in(RelayState state, Random& random) {
  RelaySession relay(WorkerSlot(3), random, kStart);
  if (state == RelayState::awaiting_hello) return relay;
  relay.on_bytes(encode_frame(hello_frame()), kStart);
  if (state == RelayState::judging) return relay;
  relay.admit(kStart);
  if (state == RelayState::closed) relay.send_away(GoAwayReason::restarting, milliseconds(0), kStart);
  return relay;
}

TEST(RelaySession, EveryFrameInEveryState) {
  const std::string violation = "GOAWAY close:violation";
  const struct {
    RelayState state;
    std::vector<std::string> want;
  } rows[] = {
      {RelayState::awaiting_hello,
       {"hello", violation, violation, violation, violation, violation, violation, violation, violation, violation,
        violation}},
      {RelayState::judging,
       {violation, violation, violation, violation, violation, "PONG", "", violation, violation, "status", violation}},
      {RelayState::established,
       {violation, violation, violation, violation, "", "PONG", "", violation, violation, "status", violation}},
      {RelayState::closed, {"", "", "", "", "", "", "", "", "", "", ""}},
  };
  for (const auto& row : rows) {
    const auto frames = every_frame();
    for (std::size_t i = 0; i < frames.size(); ++i) {
      SeededRandom random(1);
      RelaySession relay = relay_in(row.state, random);
      ASSERT_EQ(relay.state(), row.state);
      EXPECT_EQ(describe(relay.on_bytes(encode_frame(frames[i]), kStart)), row.want[i])
          << "state " << static_cast<int>(row.state) << ", " << to_string(type_of(frames[i]));
    }
  }
}

TEST(RelaySession, AnAgentThatIsAdmittedMayBeGivenAResumption) {
  SeededRandom random(1);
  EXPECT_EQ(relay_in(RelayState::judging, random).give_resumption({1}).error().code, Errc::unavailable);
  EXPECT_EQ(describe(relay_in(RelayState::established, random).give_resumption({1}).value()), "RESUMPTION");
}

TEST(AgentSession, ASecondResumptionIsAViolation) {
  PingInterval interval;
  AgentSession agent = agent_in(AgentState::established, interval);
  const Bytes frame = encode_frame(ResumptionFrame{.identity = {1}});
  EXPECT_EQ(describe(agent.on_bytes(frame, kStart)), "resumption");
  EXPECT_EQ(describe(agent.on_bytes(frame, kStart)), "close:violation");
}

TEST(RelaySession, NoOpenAndNothingElseBeforeTheAgentIsAdmitted) {
  for (const RelayState state : {RelayState::awaiting_hello, RelayState::judging, RelayState::closed}) {
    SeededRandom random(1);
    RelaySession relay = relay_in(state, random);
    EXPECT_EQ(relay.open(open_of(ticket_of(1)), kStart).error().code, Errc::unavailable);
    EXPECT_EQ(relay.renew({1}, kStart).error().code, Errc::unavailable);
    EXPECT_EQ(relay.cut(GrantId({1}), kStart).error().code, Errc::unavailable);
    EXPECT_EQ(relay.probe(kStart).error().code, Errc::unavailable);
    if (state != RelayState::judging) {
      EXPECT_TRUE(relay.admit(kStart).empty());
    }
    EXPECT_EQ(relay.outstanding_tickets(), state == RelayState::judging ? 0U : relay.outstanding_tickets());
  }
}

TEST(RelaySession, OpenSpendsOneOutstandingTicketAndReplacesIt) {
  SeededRandom random(1);
  RelaySession relay = relay_in(RelayState::judging, random);
  const auto admitted = relay.admit(kStart);
  const auto* issued = find_action<TicketsIssued>(admitted);
  ASSERT_NE(issued, nullptr);
  ASSERT_EQ(issued->tickets.size(), kTicketsIdle);
  const Ticket ticket = issued->tickets[0];
  EXPECT_EQ(ticket.slot(), WorkerSlot(3));
  EXPECT_EQ(relay.open(open_of(ticket_of(99)), kStart).error().code, Errc::conflict);
  EXPECT_EQ(relay.open(open_of(ticket, "vnc"), kStart).error().code, Errc::not_found);
  const auto opened = relay.open(open_of(ticket), kStart);
  ASSERT_TRUE(opened);
  EXPECT_EQ(describe(*opened), "OPEN TICKETS issued");
  EXPECT_EQ(relay.outstanding_tickets(), kTicketsActive);
  EXPECT_EQ(relay.open(open_of(ticket), kStart).error().code, Errc::conflict);
}

TEST(RelaySession, DevicesSwitchWins) {
  SeededRandom random(1);
  RelaySession relay = relay_in(RelayState::judging, random);
  const Ticket ticket = find_action<TicketsIssued>(relay.admit(kStart))->tickets[0];
  relay.on_bytes(encode_frame(StatusFrame{.remote_access = false, .services = agent_hello().services}), kStart);
  EXPECT_EQ(relay.open(open_of(ticket), kStart).error().code, Errc::unauthorized);
  relay.on_bytes(encode_frame(StatusFrame{.remote_access = true, .services = {}}), kStart);
  EXPECT_EQ(relay.open(open_of(ticket), kStart).error().code, Errc::not_found);
}

TEST(RelaySession, RefusalOfAPendingOpenIsToldOnce) {
  SeededRandom random(1);
  RelaySession relay = relay_in(RelayState::judging, random);
  const auto tickets = find_action<TicketsIssued>(relay.admit(kStart))->tickets;
  const auto refusal = [](const Ticket& ticket) {
    return encode_frame(RefuseFrame{.ticket = ticket, .code = RefuseCode::busy});
  };
  ASSERT_TRUE(relay.open(open_of(tickets[0]), kStart));
  ASSERT_TRUE(relay.open(open_of(tickets[1]), kStart));
  relay.settled(tickets[1]);
  EXPECT_EQ(describe(relay.on_bytes(refusal(tickets[0]), kStart)), "refused");
  EXPECT_EQ(describe(relay.on_bytes(refusal(tickets[0]), kStart)), "");
  EXPECT_EQ(describe(relay.on_bytes(refusal(tickets[1]), kStart)), "");
}

TEST(RelaySession, PendingOpensAreBounded) {
  SeededRandom random(1);
  RelaySession relay = relay_in(RelayState::judging, random);
  std::vector<Ticket> tickets = find_action<TicketsIssued>(relay.admit(kStart))->tickets;
  for (std::size_t i = 0; i < kMaxOpensPending; ++i) {
    const auto opened = relay.open(open_of(tickets.back()), kStart);
    ASSERT_TRUE(opened) << i;
    tickets.pop_back();
    for (const Ticket& ticket : find_action<TicketsIssued>(*opened)->tickets) tickets.push_back(ticket);
  }
  EXPECT_EQ(relay.open(open_of(tickets.back()), kStart).error().code, Errc::overloaded);
}

TEST(RelaySession, OtherVersionIsSentAwayByName) {
  SeededRandom random(1);
  RelaySession relay(WorkerSlot(3), random, kStart);
  HelloFrame hello = hello_frame();
  hello.version = 2;
  const auto actions = relay.on_bytes(encode_frame(hello), kStart);
  EXPECT_EQ(describe(actions), "GOAWAY close:version");
  EXPECT_EQ(std::get<GoAwayFrame>(frames_in(actions).at(0)).reason, GoAwayReason::version);
}

TEST(RelaySession, SilenceEndsItAtItsDeadline) {
  SeededRandom random(1);
  const struct {
    RelayState state;
    seconds deadline;
    std::string_view want;
  } cases[] = {
      {RelayState::awaiting_hello, kHelloDeadline, "close:hello_late"},
      {RelayState::judging, kJudgementDeadline, "close:hello_late"},
      {RelayState::established, kDeadPeerDeadline, "close:peer_dead"},
  };
  for (const auto& one : cases) {
    RelaySession relay = relay_in(one.state, random);
    EXPECT_EQ(describe(relay.on_tick(kStart + one.deadline - milliseconds(1))), "");
    EXPECT_EQ(describe(relay.on_tick(kStart + one.deadline)), one.want);
    EXPECT_TRUE(relay.on_tick(kStart + hours(1)).empty());
  }
  RelaySession relay = relay_in(RelayState::established, random);
  relay.on_bytes(encode_frame(PingFrame{.token = 1, .interval_s = 5, .round_trip_us = 40'000}), kStart);
  EXPECT_EQ(relay.round_trip(), milliseconds(40));
  EXPECT_EQ(describe(relay.on_tick(kStart + seconds(10))), "close:peer_dead");
}

TEST(RelaySession, BytesThatAreNoFrameDoNotKeepItAlive) {
  SeededRandom random(1);
  RelaySession relay = relay_in(RelayState::established, random);
  const Bytes status = encode_frame(StatusFrame{.remote_access = true, .services = {}});
  for (int i = 0; i < 4; ++i)
    relay.on_bytes(ByteView(status).subspan(static_cast<std::size_t>(i), 1), kStart + seconds(4 * i));
  EXPECT_EQ(describe(relay.on_tick(kStart + kDeadPeerDeadline)), "close:peer_dead");
}

TEST(RelaySession, ProbeIsAnsweredOrEndsIt) {
  SeededRandom random(1);
  RelaySession relay = relay_in(RelayState::established, random);
  const auto probe = relay.probe(kStart);
  const auto ping = std::get<PingFrame>(frames_in(*probe).at(0));
  EXPECT_EQ(ping.interval_s, 0);
  EXPECT_EQ(describe(relay.on_bytes(encode_frame(PongFrame{.token = ping.token + 1}), kStart)), "");
  EXPECT_EQ(describe(relay.on_bytes(encode_frame(PongFrame{.token = ping.token}), kStart)), "answered");
  EXPECT_EQ(describe(*relay.probe(kStart + seconds(1))), "PING");
  EXPECT_EQ(describe(*relay.probe(kStart + seconds(2))), "");
  EXPECT_EQ(describe(relay.on_tick(kStart + seconds(6))), "close:peer_dead");
}

TEST(RelaySession, FloodOfSmallFramesEndsIt) {
  SeededRandom random(1);
  RelaySession relay = relay_in(RelayState::established, random);
  Bytes flood;
  for (std::size_t i = 0; i <= kFrameBurst; ++i) append(flood, encode_frame(PongFrame{.token = 0}));
  EXPECT_EQ(describe(relay.on_bytes(flood, kStart)), "GOAWAY close:flood");
}

TEST(RelaySession, LostReadyConnectionGetsAnotherTicket) {
  SeededRandom random(1);
  RelaySession relay = relay_in(RelayState::judging, random);
  const Ticket ticket = find_action<TicketsIssued>(relay.admit(kStart))->tickets[0];
  EXPECT_EQ(describe(relay.ticket_lost(ticket, kStart)), "TICKETS issued");
  EXPECT_TRUE(relay.ticket_lost(ticket, kStart).empty());
  EXPECT_EQ(relay.outstanding_tickets(), kTicketsIdle);
  EXPECT_EQ(relay.open(open_of(ticket), kStart).error().code, Errc::conflict);
}

TEST(AgentSession, SaysHelloOnceAndWaitsForTickets) {
  PingInterval interval;
  AgentSession agent(agent_hello(), interval);
  EXPECT_EQ(describe(agent.on_bytes({}, kStart)), "");
  const auto started = agent.start(kStart);
  EXPECT_EQ(frames_in(started).at(0), Frame(hello_frame()));
  EXPECT_TRUE(agent.start(kStart).empty());
  EXPECT_FALSE(agent.take_ticket());
  EXPECT_EQ(describe(agent.on_tick(kStart + kAcceptDeadline)), "close:hello_late");
}

TEST(AgentSession, ServesNoTicketTwiceAndNoneThatItWasNotGiven) {
  PingInterval interval;
  AgentSession agent = agent_in(AgentState::established, interval);
  const auto open = [&](const Ticket& ticket) { return agent.on_bytes(encode_frame(open_of(ticket)), kStart); };
  const Ticket dialled = agent.take_ticket().value();
  const auto served = open(dialled);
  ASSERT_NE(find_action<OpenAsked>(served), nullptr);
  EXPECT_TRUE(find_action<OpenAsked>(served)->ready);
  const Ticket other = dialled == ticket_of(1) ? ticket_of(2) : ticket_of(1);
  EXPECT_FALSE(find_action<OpenAsked>(open(other))->ready);
  for (const Ticket& ticket : {dialled, other, ticket_of(77)}) {
    const auto actions = open(ticket);
    EXPECT_EQ(describe(actions), "REFUSE");
    EXPECT_EQ(std::get<RefuseFrame>(frames_in(actions).at(0)).code, RefuseCode::unknown_ticket);
  }
}

TEST(AgentSession, OpenOfALostReadyConnectionIsDialledAnew) {
  PingInterval interval;
  AgentSession agent = agent_in(AgentState::established, interval);
  const Ticket ticket = agent.take_ticket().value();
  agent.ready_lost(ticket);
  EXPECT_EQ(agent.ready_connections(), 0U);
  const auto actions = agent.on_bytes(encode_frame(open_of(ticket)), kStart);
  ASSERT_NE(find_action<OpenAsked>(actions), nullptr);
  EXPECT_FALSE(find_action<OpenAsked>(actions)->ready);
  EXPECT_EQ(describe(agent.on_bytes(encode_frame(open_of(ticket)), kStart)), "REFUSE");
}

TEST(AgentSession, ItsOwnSwitchAndServicesWin) {
  PingInterval interval;
  AgentSession agent = agent_in(AgentState::established, interval);
  const auto code_of = [](const AgentActions& actions) { return std::get<RefuseFrame>(frames_in(actions).at(0)).code; };
  EXPECT_EQ(code_of(agent.on_bytes(encode_frame(open_of(ticket_of(1), "vnc")), kStart)), RefuseCode::no_such_service);
  EXPECT_EQ(describe(agent.status_changed(false, agent_hello().services, kStart)), "STATUS");
  const Ticket ready = agent.take_ticket().value();
  const auto actions = agent.on_bytes(encode_frame(open_of(ready)), kStart);
  EXPECT_EQ(describe(actions), "drop REFUSE");
  EXPECT_EQ(code_of(actions), RefuseCode::remote_access_off);
}

TEST(AgentSession, DeadRelayIsNoticedWithinTwentySeconds) {
  PingInterval interval;
  AgentSession agent = agent_in(AgentState::established, interval);
  agent.on_bytes(encode_frame(PongFrame{.token = 1}), kStart + milliseconds(30));
  EXPECT_EQ(agent.round_trip(), milliseconds(30));
  EXPECT_EQ(describe(agent.on_tick(kStart + seconds(15) - milliseconds(1))), "");
  const auto pinged = agent.on_tick(kStart + seconds(15));
  EXPECT_EQ(std::get<PingFrame>(frames_in(pinged).at(0)),
            (PingFrame{.token = 2, .interval_s = 15, .round_trip_us = 30'000}));
  EXPECT_EQ(find_action<WakeAt>(pinged)->when, kStart + kDeadPeerDeadline);
  EXPECT_EQ(describe(agent.on_bytes(encode_frame(PongFrame{.token = 1}), kStart + seconds(16))), "");
  EXPECT_EQ(describe(agent.on_tick(kStart + kDeadPeerDeadline)), "close:peer_dead");
  EXPECT_EQ(interval.current(), seconds(7));
}

TEST(AgentSession, HoldsNoMoreTicketsThanTheLimit) {
  PingInterval interval;
  AgentSession agent = agent_in(AgentState::greeting, interval);
  SeededRandom random(1);
  std::string last;
  for (std::size_t given = 0; last.empty() || last.find("close") == std::string::npos; given += 64) {
    ASSERT_LE(given, kMaxTicketsHeld);
    TicketsFrame frame;
    for (int i = 0; i < 64; ++i) frame.tickets.push_back(draw_ticket(WorkerSlot(1), random));
    last = describe(agent.on_bytes(encode_frame(frame), kStart));
    if (last.empty()) last = "more";
  }
  EXPECT_EQ(last, "close:violation");
}

TEST(AgentSession, TicketGivenTwiceIsAViolation) {
  PingInterval interval;
  AgentSession agent = agent_in(AgentState::established, interval);
  EXPECT_EQ(describe(agent.on_bytes(encode_frame(TicketsFrame{.tickets = {ticket_of(1)}}), kStart)), "close:violation");
}

TEST(AgentSession, GoAwayCarriesTheHint) {
  PingInterval interval;
  AgentSession agent = agent_in(AgentState::established, interval);
  const GoAwayFrame frame{.reason = GoAwayReason::restarting, .come_back_in = milliseconds(4'000)};
  const auto actions = agent.on_bytes(encode_frame(frame), kStart);
  EXPECT_EQ(find_action<Close>(actions)->go_away, frame);
}

}  // namespace
}  // namespace sallyport::tunnel
