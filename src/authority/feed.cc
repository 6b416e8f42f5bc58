#include "authority/feed.h"

#include <algorithm>

#include "authority/core.h"
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

net::Task<Result<Feed::UpdatePtr>> Feed::seal(BuiltSnapshot built) {
  pki::SnapshotManifest manifest{built.number, built.base, built.issued_at, {}};
  for (const Bytes& portion : built.portions) manifest.portions.push_back(crypto::sha256(portion));
  records::SnapshotEvent event;
  CO_TRY(event.sealed_manifest, co_await seal_manifest(core_, std::move(manifest)));
  event.first_portion = built.portions.front();
  auto update = std::make_shared<Update>();
  update->event = records::encode(event);
  update->built = std::move(built);
  co_return update;
}

net::Task<Result<Feed::UpdatePtr>> Feed::build_update(std::uint64_t base) {
  if (base == 0) co_return co_await full_update();
  BuiltSnapshot built;
  CO_TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(built, build_snapshot(records, base, core_.clock().now()));
    return {};
  }));
  co_return co_await seal(std::move(built));
}

// A full state is read beside the loop, which has leases to give meanwhile.
net::Task<Result<Feed::UpdatePtr>> Feed::full_update() {
  CO_TRY(auto turn, co_await core_.turns().take("snapshot/full", kFullStateLimit));
  if (auto shared = full_.lock()) co_return shared;
  const auto built = std::make_shared<BuiltSnapshot>();
  const auto read = [built, issued_at = core_.clock().now()](records::Records& records) -> Result<void> {
    TRY(*built, build_snapshot(records, 0, issued_at));
    return {};
  };
  CO_TRY_VOID(co_await core_.read_aside(read));
  CO_TRY(auto update, co_await seal(std::move(*built)));
  full_ = update;
  co_return update;
}

void Feed::send_update(SubscriberId id, Subscriber& subscriber, UpdatePtr update) {
  subscriber.sent = update->built.number;
  leases_.published(update->built.number, now());
  push(subscriber, records::RoleEvent::update, update->event);
  if (update->built.portions.size() == 1) return;
  subscriber.fetching = std::move(update);
  net::spawn(executor_, limit_fetching(id, subscriber.fetching), "feed.fetching");
}

net::Task<void> Feed::limit_fetching(SubscriberId id, std::weak_ptr<const Update> update) {
  co_await net::sleep_for(kFetchLimit);
  const auto found = subscribers_.find(id);
  if (found == subscribers_.end() || !found->second.fetching || found->second.fetching != update.lock()) co_return;
  log::warn("feed.peer-dropped", {{"role", found->second.what.role}, {"error", "it has not fetched its update"}});
  found->second.peer->close();
}

std::unexpected<Error> Feed::older_than_served(const records::Subscribe& request, std::uint64_t current) {
  const std::string sentence = fmt::format(
      "the database is at number {}, but {} was served {} already: the database is older than what was in force, as "
      "after restoring a backup, and the role takes nothing from it",
      current, request.role, request.have_number);
  if (core_.alarm_limiter().take("feed", request.role, now())) {
    core_.announce_alarm("database.rolled-back", {}, request.role, sentence);
  }
  return fail(Errc::conflict, "feed: " + sentence);
}

Result<Bytes> Feed::portion(SubscriberId subscriber, const records::SnapshotPortionRequest& request) const {
  const auto found = subscribers_.find(subscriber);
  const Update* update = found == subscribers_.end() ? nullptr : found->second.fetching.get();
  if (update == nullptr || update->built.number != request.number || request.index >= update->built.portions.size()) {
    return failf(Errc::not_found, "snapshot: no portion {} of {} for this role now", request.index, request.number);
  }
  return update->built.portions[request.index];
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
    subscribers_.emplace(id, Subscriber{std::move(peer), std::move(request), 0, nullptr});
    co_return id;
  }
  std::uint64_t current = 0;
  CO_TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(current, records.change_number());
    return {};
  }));
  // What was served cannot be taken back: the role would have to forget revocations.
  if (request.have_number > current) co_return older_than_served(request, current);
  const std::uint64_t have = request.have_number;
  UpdatePtr update;  // none for who has everything
  if (have != current || current == 0) {
    CO_TRY(update, co_await build_update(have));
  }
  if (!peer->is_open()) co_return fail(Errc::unavailable, "feed: the connection ended while its state was built");
  Subscriber& subscriber =
      subscribers_.emplace(id, Subscriber{std::move(peer), std::move(request), current, nullptr}).first->second;
  leases_.published(current, now());
  leases_.subscribe(id, have);
  if (update) send_update(id, subscriber, std::move(update));
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
  const auto found = subscribers_.find(subscriber);
  // What it was not sent it has from another history, and that says nothing about this one.
  if (found == subscribers_.end() || number > found->second.sent) return {};
  leases_.acknowledged(subscriber, number);
  progress_.set();
  progress_.clear();
  if (found->second.fetching && number == found->second.sent) {
    found->second.fetching.reset();
    changed();  // what was committed meanwhile
  }
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
    if (auto done = co_await publish_guarded(); !done) {
      // Without the signer nothing can be published, and leases lapse: roles admit nobody until it is back.
      log::error("feed.not-published", {{"error", done.error()}});
      const net::Deadline pause(kLeaseInterval);
      while (!pause.passed()) {
        const auto waited = co_await progress_.wait(pause);
        if (!waited && waited.error().code == Errc::unavailable) co_return;  // the feed is gone
      }
      again_ = true;
    }
  } while (again_);
  publishing_ = false;
}

// What is thrown (want of memory, say) is one round that failed, not the end of all.
net::Task<Result<void>> Feed::publish_guarded() {
  try {
    co_return co_await publish_once();
  } catch (const std::exception& thrown) {
    co_return failf(Errc::internal, "feed: {}", thrown.what());
  }
}

net::Task<Result<void>> Feed::publish_once() {
  CO_TRY(const auto heads, core_.find_heads());
  const std::uint64_t current = heads.change_number;
  // From here on a role that is behind loses its lease, whether or not the change can be signed and sent.
  leases_.published(current, now());
  std::map<std::uint64_t, UpdatePtr> by_base;
  std::vector<SubscriberId> behind;
  const auto is_due = [&](const Subscriber& subscriber) {
    return subscriber.what.role != kConsole && subscriber.sent < current && !subscriber.fetching;
  };
  for (const auto& [id, subscriber] : subscribers_) {
    if (is_due(subscriber)) behind.push_back(id);
  }
  for (const SubscriberId id : behind) {
    auto found = subscribers_.find(id);
    if (found == subscribers_.end()) continue;
    const std::uint64_t base = found->second.sent;
    if (!by_base.contains(base)) {
      CO_TRY(auto update, co_await build_update(base));
      by_base.emplace(base, std::move(update));
      found = subscribers_.find(id);
      if (found == subscribers_.end() || found->second.sent != base) continue;
    }
    send_update(id, found->second, by_base.at(base));
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
