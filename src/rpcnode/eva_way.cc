#include "rpcnode/eva_way.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "keystore/file.h"
#include "rpcnode/key_file.h"

namespace sallyport::rpcnode {
namespace {

namespace eva = sealed::eva;

constexpr std::size_t kMaxTakenFile = 64;
// The file is written ahead by this much, so that it need not be written for each request.
constexpr seconds kTakenAhead{60};  // and the time by which a request may be ahead of our clock
constexpr int kTicksPerAnnounce = 30;

Result<eva::GatewayKey> read_key(const EvaKeySettings& settings) {
  TRY(auto key, read_eva_key(settings.id, settings.secret_file));
  return eva::GatewayKey{.key = std::move(key), .legacy_until = settings.until, .only_fresh = settings.only_fresh};
}

// What an earlier run had taken at the latest: whatever it says of a crash is too late rather than too early.
Result<UnixTime> read_taken_until(const std::filesystem::path& file) {
  auto text = keystore::read_file(file, kMaxTakenFile);
  if (!text && text.error().code == Errc::not_found) return UnixTime();
  if (!text) return std::unexpected(std::move(text).error());
  auto time = parse_iso8601(as_text(*text));
  if (!time) return std::unexpected(std::move(time).error().at(file.native()));
  return *time;
}

eva::Outcome outcome_of(const MethodResult& result) {
  if (result) return *result;
  return std::unexpected(eva::Failure{.code = eva::from_json_rpc(static_cast<std::int64_t>(result.error().code)),
                                      .message = result.error().message});
}

}  // namespace

struct EvaWay::State : std::enable_shared_from_this<EvaWay::State> {
  State(net::TaskGroup& group, const Clock& time, Node& serving, Send sender)
      : tasks(group), clock(time), node(serving), send(std::move(sender)) {}

  net::TaskGroup& tasks;
  const Clock& clock;
  Node& node;
  Send send;
  std::filesystem::path taken_file;
  UnixTime taken;                                         // as it is in the file
  UnixTime written_until;                                 // it covers requests that come before this
  std::map<std::string, AccessRules, std::less<>> rules;  // by key id
  std::unique_ptr<eva::Gateway> gateway;
  bool announces = false;
  int ticks = 0;
  std::string last_fault;

  eva::Moment now() const { return {.civil = clock.now(), .steady = clock.monotonic()}; }
  Result<void> write_ahead();
  void carry_out(eva::GatewayActions actions);
  static net::Task<void> run(std::shared_ptr<State> self, eva::Execute call);
};

// Before anything of a time that is not covered yet is executed.
Result<void> EvaWay::State::write_ahead() {
  const UnixTime now = clock.now();
  if (now < written_until) return {};
  taken = std::max(taken, now + kTakenAhead + eva::kTokenLife);
  TRY_VOID(keystore::atomic_write_file(taken_file, as_bytes(to_iso8601(taken)), keystore::kSecretMode));
  written_until = now + kTakenAhead;
  return {};
}

void EvaWay::State::carry_out(eva::GatewayActions actions) {
  for (eva::Publish& publish : actions.publish) send(std::move(publish.topic), std::move(publish.payload));
  for (eva::Execute& call : actions.execute) tasks.spawn(run(shared_from_this(), std::move(call)), "rpc.eva");
}

net::Task<void> EvaWay::State::run(std::shared_ptr<State> self, eva::Execute call) {
  const auto rules = self->rules.find(call.principal.get());
  SALLYPORT_CHECK(rules != self->rules.end());
  const MethodResult result =
      co_await self->node.run_method("eva:" + call.principal.get(), rules->second, std::move(call.method),
                                     std::move(call.params), std::string(eva::kAuditMark));
  self->carry_out(self->gateway->on_outcome(call.number, outcome_of(result), self->now()));
}

Result<std::unique_ptr<EvaWay>> EvaWay::open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                             const std::filesystem::path& folder, const EvaSettings& settings,
                                             Node& node, Send send) {
  auto state = std::make_shared<State>(tasks, clock, node, std::move(send));
  state->taken_file = folder / "eva-taken-until";
  state->announces = settings.announce;
  TRY(const UnixTime taken, read_taken_until(state->taken_file));
  state->taken = taken;
  TRY_VOID(state->write_ahead());
  state->gateway = std::make_unique<eva::Gateway>(eva::GatewaySettings{.space = settings.space, .self = settings.self},
                                                  taken, random);
  for (const EvaKeySettings& each : settings.keys) {
    TRY(auto key, read_key(each));
    TRY_VOID(state->gateway->add_key(std::move(key)));
    state->rules[each.id.get()] = each.rules;
  }
  std::unique_ptr<EvaWay> out(new EvaWay);
  out->state_ = std::move(state);
  return out;
}

EvaWay::~EvaWay() = default;

std::string EvaWay::topic() const {
  return state_->gateway->subscription();
}

void EvaWay::on_message(const std::string& topic, ByteView payload, bool retained) {
  if (auto covered = state_->write_ahead(); !covered) {
    if (std::exchange(state_->last_fault, covered.error().detail) != covered.error().detail)
      log::error("rpc.eva", {{"fault", covered.error()}});
    return;
  }
  state_->carry_out(state_->gateway->on_message(topic, payload, retained, state_->now()));
}

void EvaWay::on_tick() {
  state_->carry_out(state_->gateway->on_tick(state_->now()));
  if (!state_->announces || ++state_->ticks % kTicksPerAnnounce != 1) return;
  eva::Publish announce = state_->gateway->announce();
  state_->send(std::move(announce.topic), std::move(announce.payload));
}

const sealed::eva::GatewayCounts& EvaWay::counts() const {
  return state_->gateway->counts();
}

}  // namespace sallyport::rpcnode
