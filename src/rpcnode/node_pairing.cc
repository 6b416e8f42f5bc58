// Pairing by the key `default` (ADR 0031): the part of NodeKeys that lets callers in.
#include <algorithm>
#include <utility>

#include "rpcnode/node_keys.h"

namespace sallyport::rpcnode {
namespace {

// Whom pairing lets in, lets in nobody else.
bool reaches_management(std::string_view pattern) {
  if (pattern.starts_with(kManagementMethods)) return true;
  return pattern.starts_with(guard_of("services.open")) &&
         (matches(pattern, "services.open") || matches(pattern, "services.close"));
}

sealed::KeyId pairing_id() {
  return sealed::KeyId(std::string(kPairingKey));
}

}  // namespace

Result<void> NodeKeys::check_pairing(const NewPairing& chosen, UnixTime now) const {
  const NodeKeyRecord* const before = find(pairing_id());
  if (before != nullptr && before->is_live(now))
    return failf(Errc::conflict, "key '{}': is there already; remove it", kPairingKey);
  if (before == nullptr && records_.size() >= kMaxNodeKeys)
    return failf(Errc::overloaded, "keys: {} already", records_.size());
  if (chosen.uses < 1 || chosen.uses > kMaxPairingUses)
    return failf(Errc::malformed, "uses: found {}, want 1 to {}", chosen.uses, kMaxPairingUses);
  if (chosen.life <= seconds(0) || chosen.life > kMaxPairingLife)
    return failf(Errc::malformed, "life: found {} s, want 1 to {}", chosen.life.count(), kMaxPairingLife.count());
  TRY_VOID(check_rules(chosen.rules));
  const auto bad = std::ranges::find_if(chosen.rules.allow, reaches_management);
  if (bad == chosen.rules.allow.end()) return {};
  return failf(Errc::malformed, "allow: '{}' changes who is let in, which pairing gives to nobody", *bad);
}

Result<void> NodeKeys::insert_pairing(NewPairing chosen, const Secret<32>& secret, bool shared, UnixTime now) {
  TRY_VOID(check_pairing(chosen, now));
  std::erase_if(records_, [](const NodeKeyRecord& record) { return record.id == pairing_id(); });
  NodeKeyRecord record = make_record({.id = pairing_id(),
                                      .comment = "",
                                      .rules = std::move(chosen.rules),
                                      .calls_per_minute = chosen.calls_per_minute,
                                      .expires = now + chosen.life},
                                     secret, now);
  record.pairing = Pairing{.uses = chosen.uses, .shared = shared};
  records_.push_back(std::move(record));
  return save(now);
}

Result<sealed::ApiKey> NodeKeys::open_pairing(NewPairing chosen, UnixTime now, Random& random) {
  TRY(const net::Descriptor lock, lock_and_read());
  sealed::ApiKey key = sealed::draw_api_key(pairing_id(), random);
  TRY_VOID(insert_pairing(std::move(chosen), key.secret, false, now));
  return key;
}

Result<void> NodeKeys::open_shared_pairing(NewPairing chosen, const sealed::ApiKey& key, UnixTime now) {
  if (key.id != pairing_id())
    return failf(Errc::malformed, "key '{}': callers pair by one with the id {}", key.id.get(), kPairingKey);
  TRY(const net::Descriptor lock, lock_and_read());
  return insert_pairing(std::move(chosen), key.secret, true, now);
}

Result<NodeKeyRecord*> NodeKeys::open_pairing_record(UnixTime now) {
  NodeKeyRecord* const record = find_mutable(pairing_id());
  if (record == nullptr || !record->pairing || !record->is_live(now))
    return fail(Errc::unauthorized, "pairing: is not open");
  return record;
}

void NodeKeys::take_use() {
  NodeKeyRecord* const record = find_mutable(pairing_id());
  if (--record->pairing->uses > 0) return;
  std::erase_if(records_, [](const NodeKeyRecord& each) { return each.id == pairing_id(); });
}

Result<sealed::ApiKey> NodeKeys::pair_key(const sealed::KeyId& id, UnixTime now, Random& random) {
  TRY(const net::Descriptor lock, lock_and_read());
  TRY(const NodeKeyRecord* const pairing, open_pairing_record(now));
  if (pairing->pairing->shared)
    return fail(Errc::unauthorized, "pairing: by a key that others have too it is for certificates alone");
  NewKey chosen{.id = id,
                .comment = "paired",
                .rules = pairing->rules,
                .calls_per_minute = pairing->calls_per_minute,
                .expires = std::nullopt};
  TRY_VOID(check_new(chosen, now));
  sealed::ApiKey key = sealed::draw_api_key(id, random);
  take_use();
  TRY_VOID(insert(std::move(chosen), key.secret, now));
  return key;
}

Result<void> NodeKeys::pair_certificate(const std::string& who, UnixTime now) {
  TRY_VOID(check_who(who));
  TRY(const net::Descriptor lock, lock_and_read());
  TRY(const NodeKeyRecord* const pairing, open_pairing_record(now));
  if (std::ranges::find(paired_, who, &PairedCaller::who) != paired_.end())
    return failf(Errc::conflict, "caller {}: is let in already", who);
  if (paired_.size() >= kMaxPairedCallers) return failf(Errc::overloaded, "callers: {} already", paired_.size());
  paired_.push_back({.who = who, .rules = pairing->rules, .calls_per_minute = pairing->calls_per_minute, .since = now});
  take_use();
  return save(now);
}

Result<void> NodeKeys::remove_paired(std::string_view who, UnixTime now) {
  TRY(const net::Descriptor lock, lock_and_read());
  if (std::erase_if(paired_, [&](const PairedCaller& caller) { return caller.who == who; }) == 0)
    return failf(Errc::not_found, "caller {}: was not let in by pairing", who);
  return save(now);
}

}  // namespace sallyport::rpcnode
