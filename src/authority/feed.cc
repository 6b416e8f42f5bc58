#include "authority/feed.h"

#include <algorithm>

#include "authority/core.h"
#include "authority/snapshot_builder.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "pki/signing_request.h"
#include "pki/snapshot_manifest.h"

namespace sallyport::authority {
namespace {

constexpr std::string_view kRelay = "relay";
constexpr std::string_view kConsole = "console";
// After this every lease that a role without the change could get has lapsed.
constexpr milliseconds kLongestLease = kCatchUpLimit + kLeaseLife + kLeaseMargin + kLeaseInterval;

net::Task<Result<Bytes>> seal_manifest(Core& core, pki::SnapshotManifest manifest) {
  pki::SigningRequest request(pki::SignObject{pki::ControlKind::snapshot, pki::encode_snapshot_manifest(manifest)});
  CO_TRY(auto answer, co_await core.sign(std::move(request)));
  auto* sealed = std::get_if<pki::SealedObject>(&answer);
  if (sealed == nullptr) co_return fail(Errc::internal, "signer: another kind of answer, want a sealed snapshot");
  co_return std::move(sealed->bytes);
}

}  // namespace

Feed::Feed(Core& core, net::Executor executor)
    : core_(core), executor_(executor), progress_(executor), leases_(core.clock().monotonic()) {}

Instant Feed::now() const {
  return core_.clock().monotonic();
}

net::Task<Result<std::pair<std::uint64_t, Bytes>>> Feed::build_event(std::uint64_t base) {
  records::SnapshotUpdate update;
  CO_TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(auto current, records.change_number());
    // A role that knows more than we do works from another history: it gets the whole state.
    const std::uint64_t from = base <= current ? base : 0;
    TRY(update, build_snapshot_update(records, from, core_.clock().now()));
    return {};
  }));
  records::SnapshotEvent event;
  event.update = records::encode_snapshot_update(update);
  const pki::SnapshotManifest manifest{update.number, update.base, update.issued_at, crypto::sha256(event.update)};
  CO_TRY(event.sealed_manifest, co_await seal_manifest(core_, manifest));
  co_return std::pair(update.number, records::encode(event));
}

void Feed::push(Subscriber& subscriber, records::RoleEvent event, ByteView fields) {
  if (auto sent = subscriber.peer->send_event(records::with_event(event, fields)); !sent) {
    log::warn("feed.peer-dropped", {{"role", subscriber.what.role}, {"error", sent.error()}});
    subscriber.peer->close();
  }
}

net::Task<Result<Feed::SubscriberId>> Feed::subscribe(std::shared_ptr<net::RpcPeer> peer, records::Subscribe request) {
  const SubscriberId id = next_id_++;
  if (request.role == kConsole) {
    subscribers_.emplace(id, Subscriber{std::move(peer), std::move(request)});
    co_return id;
  }
  std::uint64_t current = 0;
  CO_TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(current, records.change_number());
    return {};
  }));
  // Who has everything needs no update, and an update from a number to the same is none.
  std::pair<std::uint64_t, Bytes> event(current, Bytes());
  if (request.have_number != current || current == 0) {
    CO_TRY(event, co_await build_event(request.have_number));
  }
  if (!peer->is_open()) co_return fail(Errc::unavailable, "feed: the connection ended while its state was built");
  // A role that knows more than we do works from another history, and from nothing of ours.
  const std::uint64_t have = request.have_number <= event.first ? request.have_number : 0;
  Subscriber& subscriber =
      subscribers_.emplace(id, Subscriber{std::move(peer), std::move(request), event.first}).first->second;
  leases_.published(event.first, now());
  leases_.subscribe(id, have);
  if (have < event.first || have == 0) push(subscriber, records::RoleEvent::update, event.second);
  if (subscriber.what.role == kRelay) {
    for (const auto& [session, live] : core_.grants().all()) push(subscriber, records::RoleEvent::grant, live.sealed);
  }
  changed();  // what was committed while the state was being signed
  co_return id;
}

records::Subscribe Feed::unsubscribe(SubscriberId subscriber) {
  leases_.disconnected(subscriber);
  auto node = subscribers_.extract(subscriber);
  progress_.set();
  progress_.clear();
  return node.empty() ? records::Subscribe{} : std::move(node.mapped().what);
}

Bytes Feed::acknowledged(SubscriberId subscriber, std::uint64_t number) {
  leases_.acknowledged(subscriber, number);
  progress_.set();
  progress_.clear();
  if (!leases_.deserves_lease(subscriber, now())) return {};
  leases_.leased(subscriber, now());
  return records::encode(records::LeaseEvent{number, static_cast<std::uint32_t>(kLeaseLife.count())});
}

void Feed::grant_acknowledged(SubscriberId subscriber, ByteView grant_id) {
  Reader reader(grant_id);
  if (const auto id = reader.array<tunnel::kGrantIdSize>(); id)
    core_.grants().acknowledged(tunnel::GrantId(*id), subscriber);
  progress_.set();
  progress_.clear();
}

void Feed::changed() {
  if (publishing_) {
    again_ = true;
    return;
  }
  publishing_ = true;
  net::spawn(executor_, publish_rounds(), "feed.publish");
}

net::Task<void> Feed::publish_rounds() {
  do {
    again_ = false;
    if (auto done = co_await publish_once(); !done) {
      // Without the signer nothing can be published, and leases lapse: roles admit nobody until it is back.
      log::error("feed.not-published", {{"error", done.error()}});
      co_await net::sleep_for(kLeaseInterval);
      again_ = true;
    }
  } while (again_);
  publishing_ = false;
}

net::Task<Result<void>> Feed::publish_once() {
  std::uint64_t current = 0;
  CO_TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(current, records.change_number());
    return {};
  }));
  // From here on a role that is behind loses its lease, whether or not the change can be signed and sent.
  leases_.published(current, now());
  std::map<std::uint64_t, std::pair<std::uint64_t, Bytes>> by_base;
  std::vector<SubscriberId> behind;
  for (const auto& [id, subscriber] : subscribers_) {
    if (subscriber.what.role != kConsole && subscriber.sent < current) behind.push_back(id);
  }
  for (const SubscriberId id : behind) {
    auto found = subscribers_.find(id);
    if (found == subscribers_.end()) continue;
    const std::uint64_t base = found->second.sent;
    if (!by_base.contains(base)) {
      CO_TRY(auto event, co_await build_event(base));
      by_base.emplace(base, std::move(event));
      found = subscribers_.find(id);
      if (found == subscribers_.end() || found->second.sent != base) continue;
    }
    const auto& [number, fields] = by_base.at(base);
    found->second.sent = number;
    leases_.published(number, now());
    push(found->second, records::RoleEvent::update, fields);
  }
  co_return Result<void>{};
}

net::Task<Result<void>> Feed::until_in_force(std::uint64_t number) {
  const net::Deadline deadline(kLongestLease);
  while (!leases_.in_force(number, core_.clock().monotonic())) {
    if (deadline.passed()) co_return fail(Errc::unavailable, "feed: a role has neither confirmed nor lost its lease");
    static_cast<void>(co_await progress_.wait(earlier(deadline, net::Deadline(kLeaseInterval))));
  }
  co_return Result<void>{};
}

net::Task<Result<void>> Feed::until_known(std::uint64_t number) {
  const net::Deadline deadline(kLongestLease);
  while (!leases_.is_known(number, core_.clock().monotonic())) {
    if (deadline.passed()) co_return fail(Errc::unavailable, "feed: a role has neither confirmed nor lost its lease");
    static_cast<void>(co_await progress_.wait(earlier(deadline, net::Deadline(kLeaseInterval))));
  }
  co_return Result<void>{};
}

void Feed::send_grant(ByteView sealed) {
  for (auto& [id, subscriber] : subscribers_) {
    if (subscriber.what.role == kRelay) push(subscriber, records::RoleEvent::grant, sealed);
  }
}

void Feed::send_cut(const records::CutEvent& cut) {
  const Bytes fields = records::encode(cut);
  for (auto& [id, subscriber] : subscribers_) {
    if (subscriber.what.role == kRelay) push(subscriber, records::RoleEvent::cut, fields);
  }
}

net::Task<Result<void>> Feed::until_grant_is_known(tunnel::GrantId session, net::Deadline deadline) {
  for (;;) {
    const LiveSession* live = core_.grants().find(session);
    if (live == nullptr) co_return fail(Errc::not_found, "session: ended while it was being granted");
    std::size_t relays = 0;
    std::size_t knowing = 0;
    for (const auto& [id, subscriber] : subscribers_) {
      if (subscriber.what.role != kRelay) continue;
      ++relays;
      knowing += live->acknowledged_by.contains(id) ? 1U : 0U;
    }
    if (relays > 0 && relays == knowing) co_return Result<void>{};
    if (deadline.passed()) co_return failf(Errc::unavailable, "grant: {} of {} relay workers know it", knowing, relays);
    static_cast<void>(co_await progress_.wait(deadline));
  }
}

void Feed::announce(std::string_view event, std::string_view tenant, const codec::Json& data) {
  const codec::Json envelope(codec::Json::Object{{"event", event}, {"tenant", tenant}, {"data", data}});
  const std::string text = envelope.write();
  for (auto& [id, subscriber] : subscribers_) {
    if (subscriber.what.role == kConsole) push(subscriber, records::RoleEvent::admin, as_bytes(text));
  }
}

}  // namespace sallyport::authority
