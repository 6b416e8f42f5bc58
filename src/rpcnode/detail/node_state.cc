#include "rpcnode/detail/node_state.h"

#include <algorithm>

#include "base/log.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "rpcnode/detail/call_run.h"

namespace sallyport::rpcnode {
namespace {

constexpr double kSecondsOfMinute = 60;

// Tells secrets apart without holding them.
std::string mark_of(const NodeSecret& secret) {
  crypto::Sha256 hash;
  hash.update(secret.key.expose());
  return codec::encode_hex(std::move(hash).digest());
}

template <class Do>
void for_each_live(const NodeKeys& keys, UnixTime now, Do&& act) {
  for (const NodeKeyRecord& record : keys.list()) {
    if (!record.is_live(now)) continue;
    for (const NodeSecret& secret : record.secrets) {
      if (!secret.until || now < *secret.until) act(record, secret);
    }
  }
}

// What whoever pairs may call, whatever he is to get by it.
const AccessRules& pairing_rules() {
  static const AccessRules rules{
      .allow = {std::string(kPairMethod), "test"}, .deny = {}, .items = {}, .deny_items = {}};
  return rules;
}

}  // namespace

bool CallRate::take(std::size_t count, Instant now) {
  if (last_ && now > *last_) {
    const std::chrono::duration<double> passed = now - *last_;
    left_ = std::min<double>(per_minute_, left_ + passed.count() * per_minute_ / kSecondsOfMinute);
  }
  last_ = last_ ? std::max(*last_, now) : now;
  if (left_ < static_cast<double>(count)) return false;
  left_ -= static_cast<double>(count);
  return true;
}

void Node::State::add_secrets() {
  for_each_live(keys(), clock.now(), [this](const NodeKeyRecord& record, const NodeSecret& secret) {
    const bool is_new = applied[record.id.get()].insert(mark_of(secret)).second;
    if (is_new) responder.add_key(record.id, secret.key.clone());
  });
}

void Node::State::apply_keys() {
  std::map<std::string, std::set<std::string>> live;
  for_each_live(keys(), clock.now(), [&](const NodeKeyRecord& record, const NodeSecret& secret) {
    live[record.id.get()].insert(mark_of(secret));
  });
  if (live == applied) return;
  std::erase_if(applied, [&](const auto& entry) {
    if (std::ranges::includes(live[entry.first], entry.second)) return false;
    responder.remove_key(sealed::KeyId(entry.first));
    return true;
  });
  add_secrets();
}

void Node::State::carry_out(std::vector<sealed::ResponderAction> actions) {
  for (sealed::ResponderAction& action : actions) {
    if (auto* publish = std::get_if<sealed::Publish>(&action)) {
      send(std::move(publish->topic), std::move(publish->payload));
    } else if (auto* execute = std::get_if<sealed::Execute>(&action)) {
      tasks.spawn(run_call(shared_from_this(), std::move(*execute)), "rpc.call");
    } else if (const auto* ask = std::get_if<sealed::AskResult>(&action)) {
      answer_question(*this, *ask);
    }
  }
}

std::optional<CallerRights> Node::State::find_paired(std::string_view who) const {
  const auto found = std::ranges::find(files.keys.paired(), who, &PairedCaller::who);
  if (found == files.keys.paired().end()) return std::nullopt;
  return CallerRights{.rules = found->rules, .calls_per_minute = found->calls_per_minute};
}

std::optional<CallerRights> Node::State::find_caller(const sealed::Principal& principal) const {
  const std::string_view text = principal.get();
  if (text.starts_with(kKeyPrincipal)) {
    const NodeKeyRecord* record = files.keys.find(sealed::KeyId(std::string(text.substr(kKeyPrincipal.size()))));
    if (record == nullptr || !record->is_live(clock.now())) return std::nullopt;
    if (record->pairing) return CallerRights{.rules = pairing_rules(), .calls_per_minute = kPairingCallsPerMinute};
    return CallerRights{.rules = record->rules, .calls_per_minute = record->calls_per_minute};
  }
  const auto found =
      std::ranges::find_if(callers, [&](const CallerSettings& caller) { return matches(caller.who, text); });
  if (found == callers.end()) return find_paired(text);
  return CallerRights{.rules = found->rules, .calls_per_minute = found->calls_per_minute};
}

bool Node::State::take_rate(const sealed::Principal& principal, const CallerRights& rights, std::size_t calls) {
  auto found = rates.find(principal.get());
  if (found != rates.end() && found->second.per_minute() != rights.calls_per_minute) {
    rates.erase(found);
    found = rates.end();
  }
  if (found == rates.end()) {
    if (rates.size() >= kMaxRates) rates.clear();
    found = rates.emplace(principal.get(), CallRate(rights.calls_per_minute)).first;
  }
  return found->second.take(calls, clock.monotonic());
}

void Node::State::log_fault(const char* what, const Error& error) {
  if (last_fault == error.detail) return;
  last_fault = error.detail;
  log::warn(what, {{"fault", error.detail}});
}

}  // namespace sallyport::rpcnode
