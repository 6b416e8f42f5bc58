// The API keys that a node accepts, found by their hints; and its prekeys (docs/protocol/sealed-rpc.md §2).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "crypto/x25519.h"
#include "sealed/api_key.h"
#include "sealed/bundle.h"
#include "sealed/messages.h"

namespace sallyport::sealed {

struct KnownKey {
  KeyId id;
  NodeKey key;
};
struct HintedKey {
  std::shared_ptr<const KnownKey> known;
  bool without_clock = false;
};

class KeyRing {
 public:
  // A secret that is there already under this id is not added again.
  void add(const KeyId& id, NodeKey key);
  // All of `id`.
  void remove(const KeyId& id);
  // Those that `hint` may stand for at `now`, oldest first.
  std::vector<HintedKey> find(const Hint& hint, UnixTime now);

 private:
  struct HashHint {
    // Hints are the output of a MAC under keys that no sender of messages chose.
    std::size_t operator()(const Hint& hint) const;
  };
  void list(const std::shared_ptr<const KnownKey>& known);
  void list_all(UnixTime now);

  std::vector<std::shared_ptr<const KnownKey>> keys_;
  std::unordered_map<Hint, std::vector<HintedKey>, HashHint> hints_;
  std::optional<std::int64_t> period_;  // that hints_ is of
  UnixTime listed_at_;
};

class Prekeys {
 public:
  // As Responder::renew_prekey().
  std::optional<Bundle> renew(const NodeName& node, UnixTime now, std::uint64_t sequence, Random& random);
  // Null when there is none of this id, or its acceptance is over.
  const crypto::AgreementKey* find(std::uint32_t id, UnixTime now) const;

 private:
  struct Prekey {
    std::uint32_t id = 0;
    crypto::AgreementKey key;
    UnixTime drawn;
  };
  static bool accepts(const Prekey& prekey, UnixTime now) { return now < prekey.drawn + kPrekeyAcceptance; }
  std::vector<Prekey> prekeys_;
};

}  // namespace sallyport::sealed
