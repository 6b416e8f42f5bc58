#include "relay/reports.h"

#include "base/log.h"
#include "relay/limits.h"

namespace sallyport::relay {

constexpr milliseconds kToldRound{5};

using records::RoleMethod;

struct Reports::State {
  State(net::Executor on, rolelink::RoleLink& to)
      : executor(on), link(to), presence_work(on), presence_told(on), session_work(on), alarm_work(on) {}

  net::Executor executor;
  rolelink::RoleLink& link;
  bool closed = false;
  net::Event presence_work;
  net::Event presence_told;  // all that was begun with
  net::Event session_work;
  net::Event alarm_work;
  std::map<DeviceName, records::Presence> presence;
  std::size_t presence_calls = 0;  // under way, of as many devices
  bool presence_failed = false;    // one of them
  std::map<tunnel::GrantId, records::AccessSessionReport> sessions;
  std::deque<records::Alarm> alarms;

  std::size_t calls = 0;  // under way

  std::vector<records::Presence> take_presences() {
    std::vector<records::Presence> taken;
    while (!presence.empty() && taken.size() < kPresencesAtOnce) {
      taken.push_back(std::move(presence.extract(presence.begin()).mapped()));
    }
    return taken;
  }
  bool is_told() const { return calls == 0 && presence.empty() && sessions.empty() && alarms.empty(); }
  // Whether the report is settled: told, or refused for good.
  static bool is_settled(std::string_view what, const Result<Bytes>& answer) {
    if (answer) return true;
    log::debug("relay.report-failed", {{"report", what}, {"error", answer.error()}});
    return answer.error().code != Errc::unavailable && answer.error().code != Errc::expired &&
           answer.error().code != Errc::overloaded;
  }
};

Reports::Reports(net::Executor executor, rolelink::RoleLink& link) : state_(std::make_shared<State>(executor, link)) {
  net::spawn(executor, tell_presence(state_), "relay.tell-presence");
  net::spawn(executor, tell_sessions(state_), "relay.tell-sessions");
  net::spawn(executor, tell_alarms(state_), "relay.tell-alarms");
}

Reports::~Reports() {
  close();
}

void Reports::close() {
  state_->closed = true;
  state_->presence_work.set();
  state_->presence_told.set();
  state_->session_work.set();
  state_->alarm_work.set();
}

net::Task<void> Reports::until_told(net::Deadline deadline) {
  const auto state = state_;
  while (!state->is_told() && !deadline.passed()) co_await net::sleep_for(kToldRound);
}

void Reports::presence(records::Presence presence) {
  const DeviceName device = presence.device;
  state_->presence.insert_or_assign(device, std::move(presence));
  state_->presence_work.set();
}

void Reports::session(const tunnel::GrantId& session, records::AccessSessionReport report) {
  state_->sessions.insert_or_assign(session, std::move(report));
  state_->session_work.set();
}

void Reports::alarm(records::Alarm alarm) {
  if (state_->alarms.size() >= kMaxAlarms) return;
  state_->alarms.push_back(std::move(alarm));
  state_->alarm_work.set();
}

void Reports::acknowledge_grant(const tunnel::GrantId& grant) {
  net::spawn(state_->executor, tell_grant(state_, to_bytes(grant.get())), "relay.acknowledge-grant");
}

net::Task<void> Reports::tell_grant(std::shared_ptr<State> state, Bytes id) {
  if (state->closed) co_return;
  auto told = co_await state->link.call(RoleMethod::grant_acknowledge, std::move(id));
  if (!told) log::debug("relay.grant-not-acknowledged", {{"error", told.error()}});
}

// Each report wakes the authority, and its answer us; those of one moment leave together. No device is told of again
// before the report about it is settled.
net::Task<void> Reports::tell_presence(std::shared_ptr<State> state) {
  while (!state->closed) {
    if (state->presence.empty()) {
      state->presence_work.clear();
      static_cast<void>(co_await state->presence_work.wait(net::Deadline::never()));
      continue;
    }
    if (state->presence.size() < kPresencesAtOnce) co_await net::sleep_for(kPresenceGather);
    auto taken = state->take_presences();
    state->presence_failed = false;
    state->presence_told.clear();
    state->presence_calls = taken.size();
    for (auto& each : taken) {
      net::spawn(state->executor, tell_presence_of(state, std::move(each)), "relay.tell-presence-of");
    }
    static_cast<void>(co_await state->presence_told.wait(net::Deadline::never()));
    if (state->presence_failed) co_await net::sleep_for(kReportRetry);
  }
}

net::Task<void> Reports::tell_presence_of(std::shared_ptr<State> state, records::Presence presence) {
  ++state->calls;
  const auto told = co_await state->link.call(RoleMethod::presence, records::encode(presence));
  --state->calls;
  if (!State::is_settled("presence", told)) {
    state->presence_failed = true;
    state->presence.try_emplace(presence.device, std::move(presence));
  }
  if (--state->presence_calls == 0) state->presence_told.set();
}

net::Task<void> Reports::tell_sessions(std::shared_ptr<State> state) {
  while (!state->closed) {
    if (state->sessions.empty()) {
      state->session_work.clear();
      static_cast<void>(co_await state->session_work.wait(net::Deadline::never()));
      continue;
    }
    auto node = state->sessions.extract(state->sessions.begin());
    ++state->calls;
    const auto told = co_await state->link.call(RoleMethod::access_session, records::encode(node.mapped()));
    --state->calls;
    if (State::is_settled("session", told)) continue;
    state->sessions.insert(std::move(node));
    co_await net::sleep_for(kReportRetry);
  }
}

net::Task<void> Reports::tell_alarms(std::shared_ptr<State> state) {
  while (!state->closed) {
    if (state->alarms.empty()) {
      state->alarm_work.clear();
      static_cast<void>(co_await state->alarm_work.wait(net::Deadline::never()));
      continue;
    }
    ++state->calls;
    const auto told = co_await state->link.call(RoleMethod::alarm, records::encode(state->alarms.front()));
    --state->calls;
    if (State::is_settled("alarm", told)) {
      state->alarms.pop_front();
    } else {
      co_await net::sleep_for(kReportRetry);
    }
  }
}

}  // namespace sallyport::relay
