// Both ends of the control connection, and the rendezvous, over a lossless line that splits bytes as it likes.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tunnel/control_session.h"
#include "tunnel/limits.h"
#include "tunnel/rendezvous.h"

namespace sallyport::tunnel {
namespace {

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed)
      : random_(seed),
        agent_({.boot_id = BootId({1}),
                .agent_version = "sim",
                .remote_access = true,
                .services = {{.name = ServiceName("web"), .kind = ServiceKind::http}}},
               interval_),
        relay_(WorkerSlot(5), tickets_random_, now_) {}

  void run(int steps) {
    act(agent_.start(now_));
    for (int i = 0; i < steps && !over_; ++i) step();
    // Let the line drain, so that what was promised is kept.
    while (!over_ && (!to_relay_.empty() || !to_agent_.empty())) {
      deliver(to_relay_, true);
      deliver(to_agent_, false);
    }
  }

  bool over_ = false;
  std::string why_over_;
  int opens_sent_ = 0, opens_asked_ = 0, joined_ = 0, refused_ = 0, late_ = 0;
  bool hello_seen_ = false, admitted_ = false;

 private:
  void step() {
    switch (random_.below(9)) {
      case 0:
      case 1:
        return deliver(to_relay_, true);
      case 2:
      case 3:
        return deliver(to_agent_, false);
      case 4:
        return user_arrives();
      case 5:
        return dial_ready();
      case 6:
        return serve();
      case 7:
        return pass_time();
      default:
        return lose_something();
    }
  }

  void deliver(Bytes& line, bool at_relay) {
    if (line.empty()) return;
    const std::size_t size = 1 + random_.below(std::min<std::size_t>(line.size(), 200));
    const Bytes chunk(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(size));
    line.erase(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(size));
    if (at_relay) {
      act(relay_.on_bytes(chunk, now_));
    } else {
      act(agent_.on_bytes(chunk, now_));
    }
  }

  void user_arrives() {
    if (relay_.state() != RelayState::established) {
      // No OPEN without HELLO: the session itself says no.
      EXPECT_FALSE(relay_.open(
          {.ticket = Ticket{}, .sealed_grant = {1}, .client_address = "", .service = ServiceName("web")}, now_));
      return;
    }
    const UserId user(++last_id_);
    auto claim = rendezvous_.claim(kSession, user, now_);
    if (!claim) return;
    auto opened = relay_.open(
        {.ticket = claim->ticket, .sealed_grant = {1}, .client_address = "192.0.2.1", .service = ServiceName("web")},
        now_);
    if (!opened) {
      if (!claim->joined) {
        EXPECT_EQ(rendezvous_.refuse(claim->ticket), user);
      }
      EXPECT_EQ(opened.error().code, Errc::overloaded);
      return;
    }
    ++opens_sent_;
    EXPECT_TRUE(hello_seen_);
    EXPECT_TRUE(opened_.insert(claim->ticket).second) << "a ticket opened twice";
    if (claim->joined) {
      ++joined_;
      relay_.settled(claim->ticket);
    }
    act(*std::move(opened));
  }

  void show(const Ticket& ticket) {
    const DataId data(++last_id_);
    auto arrival = rendezvous_.arrive(ticket, data);
    if (!arrival) return agent_.ready_lost(ticket);
    if (arrival->joined) {
      EXPECT_TRUE(spent_.insert(ticket).second) << "a ticket joined twice";
      ++joined_;
      relay_.settled(ticket);
    } else {
      ready_[data] = ticket;
    }
  }

  void dial_ready() {
    if (auto ticket = agent_.take_ticket()) show(*ticket);
  }

  void serve() {
    if (asked_.empty()) return;
    const OpenAsked asked = asked_.front();
    asked_.erase(asked_.begin());
    if (asked.ready) return;
    if (random_.below(4) == 0) return act(agent_.refuse(asked.open.ticket, RefuseCode::service_down, now_));
    show(asked.open.ticket);
  }

  void pass_time() {
    now_ += milliseconds(random_.below(900));
    act(agent_.on_tick(now_));
    if (!over_) act(relay_.on_tick(now_));
    for (const auto& late : rendezvous_.on_tick(now_)) {
      ++late_;
      relay_.settled(late.ticket);
    }
  }

  void lose_something() {
    if (ready_.empty() || random_.below(3) != 0) return;
    const auto [data, ticket] = *ready_.begin();
    ready_.erase(ready_.begin());
    if (auto lost = rendezvous_.data_gone(data)) {
      agent_.ready_lost(lost->ticket);
      act(relay_.ticket_lost(lost->ticket, now_));
    }
  }

  void act(AgentActions actions) {
    for (auto& action : actions) {
      if (auto* send = std::get_if<SendBytes>(&action)) append(to_relay_, send->bytes);
      if (auto* close = std::get_if<Close>(&action)) end("agent", *close);
      if (std::get_if<Accepted>(&action) != nullptr) admitted_ = true;
      if (auto* asked = std::get_if<OpenAsked>(&action)) {
        ++opens_asked_;
        EXPECT_TRUE(asked_ever_.insert(asked->open.ticket).second) << "an OPEN served twice";
        asked_.push_back(*asked);
      }
    }
  }

  void act(RelayActions actions) {
    for (auto& action : actions) {
      if (auto* send = std::get_if<SendBytes>(&action)) append(to_agent_, send->bytes);
      if (auto* close = std::get_if<Close>(&action)) end("relay", *close);
      if (std::get_if<HelloReceived>(&action) != nullptr) {
        hello_seen_ = true;
        act(relay_.admit(now_));
      }
      if (auto* issued = std::get_if<TicketsIssued>(&action)) {
        for (const Ticket& ticket : issued->tickets) EXPECT_TRUE(issued_.insert(ticket).second);
        rendezvous_.issue(kSession, issued->tickets);
      }
      if (auto* refused = std::get_if<OpenRefused>(&action)) {
        ++refused_;
        rendezvous_.refuse(refused->ticket);
      }
    }
  }

  void end(std::string_view who, const Close& close) {
    over_ = true;
    why_over_ = fmt::format("{}: {} ({})", who, to_string(close.reason), close.detail);
  }

  static inline const SessionId kSession{1};
  SeededRandom random_;
  SeededRandom tickets_random_{99};
  Instant now_{hours(1)};
  PingInterval interval_;
  AgentSession agent_;
  RelaySession relay_;
  Rendezvous rendezvous_;
  Bytes to_relay_, to_agent_;
  std::uint64_t last_id_ = 0;
  std::set<Ticket> issued_, opened_, spent_, asked_ever_;
  std::map<DataId, Ticket> ready_;
  std::vector<OpenAsked> asked_;
};

// With so few deliveries per millisecond a ping may starve: the line is lossless, not fast. Nothing but that may end a
// run.
bool ended_by_time(const std::string& why) {
  return why.find("peer_dead") != std::string::npos || why.find("hello_late") != std::string::npos;
}

TEST(SessionSimulation, NoScheduleBreaksTheProtocol) {
  int joined = 0, refused = 0, late = 0, ran_on = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Simulation simulation(seed);
    simulation.run(1'500);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
    ASSERT_TRUE(!simulation.over_ || ended_by_time(simulation.why_over_))
        << "seed " << seed << ": " << simulation.why_over_;
    ASSERT_LE(simulation.opens_asked_, simulation.opens_sent_);
    if (!simulation.over_) {
      ++ran_on;
      ASSERT_EQ(simulation.opens_asked_, simulation.opens_sent_) << "seed " << seed;
    }
    joined += simulation.joined_;
    refused += simulation.refused_;
    late += simulation.late_;
  }
  EXPECT_GT(ran_on, 100);
  EXPECT_GT(joined, 1'000);
  EXPECT_GT(refused, 100);
  EXPECT_GT(late, 0);
}

}  // namespace
}  // namespace sallyport::tunnel
