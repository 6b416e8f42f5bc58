#include "tlog/merkle.h"

#include <gtest/gtest.h>

#include "tlog/detail/test_vectors.h"

namespace sallyport::tlog {
namespace {

Hash root_of(const std::vector<Hash>& leaves, std::size_t size) {
  GrowingTree tree;
  for (std::size_t i = 0; i < size; ++i) tree.append(leaves[i]);
  return tree.root();
}

// MTHs of perfect subtrees, computed from the leaves each time.
SubtreeHash subtrees_of(const std::vector<Hash>& leaves) {
  return [&leaves](unsigned height, std::uint64_t index) -> Result<Hash> {
    GrowingTree tree;
    const std::uint64_t first = index << height;
    for (std::uint64_t i = first; i < first + (std::uint64_t{1} << height); ++i) tree.append(leaves.at(i));
    return tree.root();
  };
}

std::vector<Hash> hashes_of(const std::vector<Range>& ranges, const std::vector<Hash>& leaves) {
  std::vector<Hash> out;
  for (const Range& range : ranges) out.push_back(*range_hash(range, subtrees_of(leaves)));
  return out;
}

TEST(MerkleTree, HasTheRootsThatCertificateTransparencyPublishes) {
  int roots = 0;
  for (const TestVector& vector : load_test_vectors("merkle.txt")) {
    if (!vector.has("leaves")) continue;
    GrowingTree tree;
    for (const Bytes& leaf : vector.list("leaves")) tree.append(leaf_hash(leaf));
    EXPECT_EQ(tree.root(), vector.hash("root")) << vector.name;
    ++roots;
  }
  EXPECT_EQ(roots, 8);
  EXPECT_EQ(GrowingTree().root(), crypto::sha256({}));
}

TEST(MerkleProof, EqualsTheOneOfAnotherImplementation) {
  const auto leaves = numbered_leaves(700);
  int proofs = 0;
  for (const TestVector& vector : load_test_vectors("merkle.txt")) {
    if (!vector.has("proof")) continue;
    const auto size = vector.number("size");
    EXPECT_EQ(root_of(leaves, size), vector.hash("root"));
    const auto ranges = vector.has("index") ? inclusion_ranges(vector.number("index"), size)
                                            : consistency_ranges(vector.number("old"), size);
    EXPECT_EQ(hashes_of(ranges, leaves), vector.hashes("proof")) << vector.name;
    ++proofs;
  }
  EXPECT_GT(proofs, 50);
}

TEST(InclusionProof, HoldsForEveryEntryOfEverySmallTreeAndForNoOther) {
  const auto leaves = numbered_leaves(33);
  for (std::size_t size = 1; size <= leaves.size(); ++size) {
    const Hash root = root_of(leaves, size);
    for (std::size_t index = 0; index < size; ++index) {
      const auto proof = hashes_of(inclusion_ranges(index, size), leaves);
      EXPECT_TRUE(verify_inclusion(leaves[index], index, size, proof, root));
      EXPECT_FALSE(verify_inclusion(leaves[(index + 1) % leaves.size()], index, size, proof, root));
      if (size > 1) EXPECT_FALSE(verify_inclusion(leaves[index], (index + 1) % size, size, proof, root));
      EXPECT_FALSE(verify_inclusion(leaves[index], size, size, proof, root));
    }
  }
}

TEST(InclusionProof, FailsWithAnyHashAlteredMissingOrTooMuch) {
  const auto leaves = numbered_leaves(21);
  const Hash root = root_of(leaves, 21);
  const auto proof = hashes_of(inclusion_ranges(13, 21), leaves);
  ASSERT_TRUE(verify_inclusion(leaves[13], 13, 21, proof, root));
  for (std::size_t i = 0; i < proof.size(); ++i) {
    auto altered = proof;
    altered[i][31] ^= 1U;
    EXPECT_FALSE(verify_inclusion(leaves[13], 13, 21, altered, root)) << i;
    auto shorter = proof;
    shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(verify_inclusion(leaves[13], 13, 21, shorter, root)) << i;
  }
  auto longer = proof;
  longer.push_back(root);
  EXPECT_FALSE(verify_inclusion(leaves[13], 13, 21, longer, root));
}

TEST(ConsistencyProof, HoldsBetweenEveryTwoSizesAndForNoOtherRoot) {
  const auto leaves = numbered_leaves(33);
  for (std::size_t size = 0; size <= leaves.size(); ++size) {
    for (std::size_t old = 0; old <= size; ++old) {
      const auto proof = hashes_of(consistency_ranges(old, size), leaves);
      const Hash before = root_of(leaves, old);
      const Hash after = root_of(leaves, size);
      EXPECT_TRUE(verify_consistency(old, before, size, after, proof)) << old << " " << size;
      Hash other = before;
      other[0] ^= 1U;
      EXPECT_FALSE(verify_consistency(old, other, size, after, proof)) << old << " " << size;
      other = after;
      other[0] ^= 1U;
      if (old > 0) EXPECT_FALSE(verify_consistency(old, before, size, other, proof)) << old << " " << size;
      auto longer = proof;
      longer.push_back(after);
      EXPECT_FALSE(verify_consistency(old, before, size, after, longer)) << old << " " << size;
      if (old < size) EXPECT_FALSE(verify_consistency(size, after, old, before, proof));
    }
  }
}

TEST(ConsistencyProof, FailsWhenOneOldEntryWasAlteredRemovedOrMoved) {
  const auto leaves = numbered_leaves(20);
  const Hash before = root_of(leaves, 11);
  for (std::size_t index = 0; index < 11; ++index) {
    auto altered = leaves;
    altered[index][5] ^= 1U;
    auto removed = leaves;
    removed.erase(removed.begin() + static_cast<std::ptrdiff_t>(index));
    auto moved = leaves;
    std::swap(moved[index], moved[index + 1]);
    for (const auto& list : {altered, removed, moved}) {
      const auto proof = hashes_of(consistency_ranges(11, 19), list);
      const bool is_a_prefix = std::equal(leaves.begin(), leaves.begin() + 11, list.begin());
      EXPECT_EQ(verify_consistency(11, before, 19, root_of(list, 19), proof).has_value(), is_a_prefix) << index;
    }
  }
}

}  // namespace
}  // namespace sallyport::tlog
