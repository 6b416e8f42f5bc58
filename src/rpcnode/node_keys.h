// The API keys that a node knows, in one file. What opens another node is not in it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "net/descriptor.h"
#include "rpcnode/access_rules.h"
#include "sealed/api_key.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxNodeKeys = 1'024;
inline constexpr std::size_t kMaxKeyFile = 4U << 20U;
inline constexpr std::size_t kMaxKeyComment = 200;  // bytes
inline constexpr std::uint32_t kDefaultCallsPerMinute = 600;
inline constexpr std::uint32_t kMaxCallsPerMinute = 1'000'000;
inline constexpr seconds kMaxOverlap{90 * 86'400};

// The key by which callers pair: it calls `pair` and `test` and nothing else, for a while and a number of callers, and
// is then gone (ADR 0031). No other key has its id.
inline constexpr std::string_view kPairingKey = "default";
inline constexpr std::uint32_t kMaxPairingUses = 16;
inline constexpr seconds kMaxPairingLife = kDay;
inline constexpr std::uint32_t kPairingCallsPerMinute = 30;
inline constexpr std::size_t kMaxPairedCallers = 1'024;

// One secret of a key, as this node keeps it.
struct NodeSecret {
  sealed::NodeKey key;
  UnixTime made;
  std::optional<UnixTime> until;  // an older secret, during rotation
};

struct Pairing {
  std::uint32_t uses = 1;  // callers that it may still let in
  bool shared = false;     // others have it as well: it lets in certificates alone
  friend bool operator==(const Pairing&, const Pairing&) = default;
};

// A caller with a certificate that was let in by pairing.
struct PairedCaller {
  std::string who;  // "device:<name>" or "person:<login>"
  AccessRules rules;
  std::uint32_t calls_per_minute = kDefaultCallsPerMinute;
  UnixTime since;
};

struct NodeKeyRecord {
  sealed::KeyId id;
  std::string comment;
  AccessRules rules;
  std::uint32_t calls_per_minute = kDefaultCallsPerMinute;
  std::optional<UnixTime> expires;
  std::vector<NodeSecret> secrets;  // newest first, two at most
  std::optional<Pairing> pairing;   // of kPairingKey: `rules` are then those of whom it lets in

  bool is_live(UnixTime now) const { return !expires || now < *expires; }
};

// Errc::malformed for what is no `who` of a certificate; a pattern is none.
Result<void> check_who(std::string_view who);
// What is shown of a key: everything but its secrets, of which the number.
codec::Json key_json(const NodeKeyRecord& record);
codec::Json paired_json(const PairedCaller& caller);

// What is chosen for a new key.
struct NewKey {
  sealed::KeyId id;
  std::string comment;
  AccessRules rules;
  std::uint32_t calls_per_minute = kDefaultCallsPerMinute;
  std::optional<UnixTime> expires;
};

// What is chosen when pairing is opened: `rules` and rate are those of whom it lets in.
struct NewPairing {
  AccessRules rules;
  std::uint32_t calls_per_minute = kDefaultCallsPerMinute;
  seconds life{1'800};
  std::uint32_t uses = 1;
};

// The file, read whole. Every change reads it anew under a lock beside it (FILE.lock), so that a node and a command
// line can both change it, and is durable when it returns; all of them fail as open() does. Not thread-safe.
class NodeKeys {
 public:
  // Errc::malformed names what is wrong in the file; one that does not exist is an empty list.
  static Result<NodeKeys> open(std::filesystem::path file, sealed::NodeName node);

  // Returns the key, to be shown once: it cannot be had again. Errc::conflict when the id is there or kPairingKey,
  // Errc::malformed on
  // rules or a rate outside their grammar, Errc::expired for an end that is over, Errc::overloaded beyond kMaxNodeKeys.
  Result<sealed::ApiKey> add(NewKey chosen, UnixTime now, Random& random);
  // Puts a secret that was made elsewhere under an id: for a caller who shall have one key for several nodes.
  Result<void> take(NewKey chosen, const sealed::ApiKey& key, UnixTime now);
  // Returns a new secret; the old one is good for `overlap` more. Errc::not_found, Errc::malformed beyond kMaxOverlap.
  Result<sealed::ApiKey> rotate(const sealed::KeyId& id, seconds overlap, UnixTime now, Random& random);
  // Errc::not_found.
  Result<void> remove(const sealed::KeyId& id, UnixTime now);
  // Opens pairing by a key that is drawn for it. Errc::conflict while it is open, Errc::malformed for rules that reach
  // what changes who is let in, and for more uses or a longer life than may be.
  Result<sealed::ApiKey> open_pairing(NewPairing chosen, UnixTime now, Random& random);
  // By one that others have too, whose id must be kPairingKey: it lets in certificates alone.
  Result<void> open_shared_pairing(NewPairing chosen, const sealed::ApiKey& key, UnixTime now);
  // Lets in a new key, which is returned, or a certificate, and takes one use; after the last the pairing key is gone.
  // Errc::unauthorized when no pairing is open or it is not for keys; the rest as add(), and Errc::malformed for a
  // `who` that is none.
  Result<sealed::ApiKey> pair_key(const sealed::KeyId& id, UnixTime now, Random& random);
  Result<void> pair_certificate(const std::string& who, UnixTime now);
  // Errc::not_found.
  Result<void> remove_paired(std::string_view who, UnixTime now);
  // Reads the file anew where another process has changed it; returns whether it has.
  Result<bool> follow_file();

  const std::vector<NodeKeyRecord>& list() const { return records_; }
  const std::vector<PairedCaller>& paired() const { return paired_; }
  const NodeKeyRecord* find(const sealed::KeyId& id) const;

 private:
  NodeKeys(std::filesystem::path file, sealed::NodeName node) : file_(std::move(file)), node_(std::move(node)) {}
  // Which version of the file `records_` are.
  struct Version {
    std::uint64_t inode = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const Version&, const Version&) = default;
  };
  static Version version_of(const std::filesystem::path& file);
  Result<net::Descriptor> lock_and_read();
  Result<void> read();
  Result<void> check_new(const NewKey& chosen, UnixTime now) const;
  Result<void> check_pairing(const NewPairing& chosen, UnixTime now) const;
  Result<void> insert_pairing(NewPairing chosen, const Secret<32>& secret, bool shared, UnixTime now);
  // The pairing that is open. Errc::unauthorized.
  Result<NodeKeyRecord*> open_pairing_record(UnixTime now);
  void take_use();
  NodeKeyRecord make_record(NewKey chosen, const Secret<32>& secret, UnixTime now) const;
  Result<void> insert(NewKey chosen, const Secret<32>& secret, UnixTime now);
  NodeKeyRecord* find_mutable(const sealed::KeyId& id);
  // Writes `records_`, without secrets whose overlap is over; on failure they are those of the file again.
  Result<void> save(UnixTime now);

  std::filesystem::path file_;
  sealed::NodeName node_;
  std::vector<NodeKeyRecord> records_;
  std::vector<PairedCaller> paired_;
  Version version_;
};

}  // namespace sallyport::rpcnode
