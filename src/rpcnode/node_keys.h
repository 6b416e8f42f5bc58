// The API keys that a node knows, in one file. What opens another node is not in it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "rpcnode/access_rules.h"
#include "sealed/api_key.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxNodeKeys = 1'024;
inline constexpr std::size_t kMaxKeyFile = 4U << 20U;
inline constexpr std::size_t kMaxKeyComment = 200;  // bytes
inline constexpr std::uint32_t kDefaultCallsPerMinute = 600;
inline constexpr std::uint32_t kMaxCallsPerMinute = 1'000'000;
inline constexpr seconds kMaxOverlap{90 * 86'400};

// One secret of a key, as this node keeps it.
struct NodeSecret {
  sealed::NodeKey key;
  UnixTime made;
  std::optional<UnixTime> until;  // an older secret, during rotation
};

struct NodeKeyRecord {
  sealed::KeyId id;
  std::string comment;
  AccessRules rules;
  std::uint32_t calls_per_minute = kDefaultCallsPerMinute;
  std::optional<UnixTime> expires;
  std::vector<NodeSecret> secrets;  // newest first, two at most

  bool is_live(UnixTime now) const { return !expires || now < *expires; }
};

// What is chosen for a new key.
struct NewKey {
  sealed::KeyId id;
  std::string comment;
  AccessRules rules;
  std::uint32_t calls_per_minute = kDefaultCallsPerMinute;
  std::optional<UnixTime> expires;
};

// The file, read whole; every change is durable when it returns. Not thread-safe.
class NodeKeys {
 public:
  // Errc::malformed names what is wrong in the file; one that does not exist is an empty list.
  static Result<NodeKeys> open(std::filesystem::path file, sealed::NodeName node);

  // Returns the key, to be shown once: it cannot be had again. Errc::conflict when the id is there, Errc::malformed on
  // rules or a rate outside their grammar, Errc::expired for an end that is over, Errc::overloaded beyond kMaxNodeKeys.
  Result<sealed::ApiKey> add(NewKey chosen, UnixTime now, Random& random);
  // Puts a secret that was made elsewhere under an id: for a caller who shall have one key for several nodes.
  Result<void> take(NewKey chosen, const sealed::ApiKey& key, UnixTime now);
  // Returns a new secret; the old one is good for `overlap` more. Errc::not_found, Errc::malformed beyond kMaxOverlap.
  Result<sealed::ApiKey> rotate(const sealed::KeyId& id, seconds overlap, UnixTime now, Random& random);
  // Errc::not_found.
  Result<void> remove(const sealed::KeyId& id);
  // Forgets secrets whose overlap is over; returns whether there were any.
  Result<bool> forget_old(UnixTime now);

  const std::vector<NodeKeyRecord>& list() const { return records_; }
  const NodeKeyRecord* find(const sealed::KeyId& id) const;

 private:
  NodeKeys(std::filesystem::path file, sealed::NodeName node) : file_(std::move(file)), node_(std::move(node)) {}
  Result<void> check_new(const NewKey& chosen, UnixTime now) const;
  Result<void> insert(NewKey chosen, const Secret<32>& secret, UnixTime now);
  NodeKeyRecord* find_mutable(const sealed::KeyId& id);
  // The file as `records_` are; on failure the caller puts them back.
  Result<void> save() const;

  std::filesystem::path file_;
  sealed::NodeName node_;
  std::vector<NodeKeyRecord> records_;
};

}  // namespace sallyport::rpcnode
