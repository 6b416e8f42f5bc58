// Merkle trees over a list of entries, and the proofs about them (RFC 6962 §2.1; verification as in RFC 9162 §2.1).
//
//   leaf := SHA-256(0x00 ‖ entry)    node := SHA-256(0x01 ‖ left ‖ right)    empty tree := SHA-256()
//
// D[a:b] are the entries a ≤ i < b; MTH(D[a:b]) is the hash of the tree over them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "crypto/hash.h"

namespace sallyport::tlog {

using Hash = crypto::Sha256Digest;

// No proof about a tree of up to 2^64 - 1 entries has more.
inline constexpr std::size_t kMaxProofHashes = 65;

Hash leaf_hash(ByteView entry);
Hash node_hash(const Hash& left, const Hash& right);
Hash empty_root();

// D[begin:end]
struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  friend bool operator==(const Range&, const Range&) = default;
};

// The ranges whose MTHs are the inclusion proof PATH(index, D[size]), the leaf's sibling first. `index` must be below
// `size`.
std::vector<Range> inclusion_ranges(std::uint64_t index, std::uint64_t size);
// The ranges whose MTHs are the consistency proof PROOF(old_size, D[size]). Empty when old_size is 0 or size; must not
// be above it.
std::vector<Range> consistency_ranges(std::uint64_t old_size, std::uint64_t size);

// Answers the hash of the perfect subtree D[index × 2^height : (index + 1) × 2^height].
using SubtreeHash = std::function<Result<Hash>(unsigned height, std::uint64_t index)>;
// Returns MTH(D[begin:end]) of a range that the functions above gave, or of a whole tree. Fails as `subtree` does.
Result<Hash> range_hash(const Range& range, const SubtreeHash& subtree);

// A tree that is only appended to, in memory of its height.
class GrowingTree {
 public:
  void append(const Hash& leaf);
  std::uint64_t size() const { return size_; }
  Hash root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Hash> peaks_;  // of the perfect subtrees that the size's binary digits name, largest first
};

// RFC 9162 §2.1.3.2. Errc::unauthorized unless `proof` leads from the leaf at `index` to `root` of the tree of `size`.
Result<void> verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size, std::span<const Hash> proof,
                              const Hash& root);
// RFC 9162 §2.1.4.2. Errc::unauthorized unless the tree of `old_size` is a prefix of the one of `size`. Every tree
// continues the empty one, whose proof is empty.
Result<void> verify_consistency(std::uint64_t old_size, const Hash& old_root, std::uint64_t size, const Hash& root,
                                std::span<const Hash> proof);

}  // namespace sallyport::tlog
