#include "sealed/detail/key_ring.h"

#include <algorithm>

namespace sallyport::sealed {
namespace {

// A caller's clock may be behind ours by this much and the bundle still be of now.
constexpr seconds kBundleSlack{60};

}  // namespace

std::size_t KeyRing::HashHint::operator()(const Hint& hint) const {
  std::size_t out = 0;
  for (const std::uint8_t byte : hint) out = (out << 8U) | byte;
  return out;
}

void KeyRing::list(const std::shared_ptr<const KnownKey>& known) {
  for (const int periods : {-1, 0, 1})
    hints_[hint_at(known->key, listed_at_, periods)].push_back({.known = known, .without_clock = false});
  hints_[hint_without_clock(known->key)].push_back({.known = known, .without_clock = true});
}

void KeyRing::list_all(UnixTime now) {
  const std::int64_t period = now.since_epoch() / kHintPeriod.count();
  if (period_ == period) return;
  period_ = period;
  listed_at_ = now;
  hints_.clear();
  for (const auto& known : keys_) list(known);
}

void KeyRing::add(const KeyId& id, NodeKey key) {
  const auto same = [&](const auto& known) { return known->id == id && known->key.equals(key.expose()); };
  if (std::ranges::any_of(keys_, same)) return;
  keys_.push_back(std::make_shared<const KnownKey>(KnownKey{.id = id, .key = std::move(key)}));
  if (period_) list(keys_.back());
}

void KeyRing::remove(const KeyId& id) {
  std::erase_if(keys_, [&](const auto& known) { return known->id == id; });
  period_.reset();
  hints_.clear();
}

std::vector<HintedKey> KeyRing::find(const Hint& hint, UnixTime now) {
  list_all(now);
  const auto found = hints_.find(hint);
  return found == hints_.end() ? std::vector<HintedKey>{} : found->second;
}

std::optional<Bundle> Prekeys::renew(const NodeName& node, UnixTime now, std::uint64_t sequence, Random& random) {
  std::erase_if(prekeys_, [&](const Prekey& prekey) { return !accepts(prekey, now); });
  const auto is_young = [&](const Prekey& prekey) { return prekey.drawn <= now && now < prekey.drawn + kPrekeyLife; };
  if (std::ranges::any_of(prekeys_, is_young)) return std::nullopt;
  std::uint32_t id = 0;
  const auto is_taken = [&](const Prekey& prekey) { return prekey.id == id; };
  do {
    id = static_cast<std::uint32_t>(random.below(std::uint64_t{1} << 32U));
  } while (std::ranges::any_of(prekeys_, is_taken));
  prekeys_.push_back({.id = id, .key = crypto::AgreementKey::generate(random), .drawn = now});
  const UnixTime begins = now - kBundleSlack;
  return Bundle{.node = node,
                .prekey = prekeys_.back().key.public_key(),
                .prekey_id = id,
                .not_before = begins,
                .not_after = begins + kBundleLife,
                .sequence = sequence};
}

const crypto::AgreementKey* Prekeys::find(std::uint32_t id, UnixTime now) const {
  const auto found = std::ranges::find_if(prekeys_, [&](const Prekey& prekey) { return prekey.id == id; });
  return found == prekeys_.end() || !accepts(*found, now) ? nullptr : &found->key;
}

}  // namespace sallyport::sealed
