#include "tlog/merkle.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace sallyport::tlog {
namespace {

constexpr std::uint8_t kLeafPrefix = 0x00;
constexpr std::uint8_t kNodePrefix = 0x01;

// The largest power of two below `count`, which must be above 1.
std::uint64_t split_of(std::uint64_t count) {
  return std::bit_floor(count - 1);
}

std::unexpected<Error> wrong(std::string_view what) {
  return failf(Errc::unauthorized, "{}", what);
}

}  // namespace

Hash leaf_hash(ByteView entry) {
  crypto::Sha256 hash;
  hash.update({&kLeafPrefix, 1}).update(entry);
  return std::move(hash).digest();
}

Hash node_hash(const Hash& left, const Hash& right) {
  crypto::Sha256 hash;
  hash.update({&kNodePrefix, 1}).update(left).update(right);
  return std::move(hash).digest();
}

Hash empty_root() {
  return crypto::sha256({});
}

std::vector<Range> inclusion_ranges(std::uint64_t index, std::uint64_t size) {
  SALLYPORT_CHECK(index < size);
  std::vector<Range> out;
  Range at{0, size};
  while (at.end - at.begin > 1) {
    const std::uint64_t middle = at.begin + split_of(at.end - at.begin);
    out.push_back(index < middle ? Range{middle, at.end} : Range{at.begin, middle});
    at = index < middle ? Range{at.begin, middle} : Range{middle, at.end};
  }
  std::ranges::reverse(out);
  return out;
}

std::vector<Range> consistency_ranges(std::uint64_t old_size, std::uint64_t size) {
  SALLYPORT_CHECK(old_size <= size);
  if (old_size == 0 || old_size == size) return {};
  std::vector<Range> out;
  Range at{0, size};
  bool is_old_tree = true;  // whether the verifier knows MTH(D[at.begin:old_size]) as the old root
  while (at.end != old_size) {
    const std::uint64_t middle = at.begin + split_of(at.end - at.begin);
    if (old_size <= middle) {
      out.push_back({middle, at.end});
      at.end = middle;
    } else {
      out.push_back({at.begin, middle});
      at.begin = middle;
      is_old_tree = false;
    }
  }
  if (!is_old_tree) out.push_back(at);
  std::ranges::reverse(out);
  return out;
}

Result<Hash> range_hash(const Range& range, const SubtreeHash& subtree) {
  if (range.begin == range.end) return empty_root();
  std::vector<Hash> peaks;
  for (std::uint64_t at = range.begin; at < range.end;) {
    const std::uint64_t width = std::bit_floor(range.end - at);
    const auto height = static_cast<unsigned>(std::countr_zero(width));
    TRY(const Hash hash, subtree(height, at >> height));
    peaks.push_back(hash);
    at += width;
  }
  Hash root = peaks.back();
  for (std::size_t i = peaks.size() - 1; i-- > 0;) root = node_hash(peaks[i], root);
  return root;
}

void GrowingTree::append(const Hash& leaf) {
  peaks_.push_back(leaf);
  // Each trailing 1 of the old size is a peak that the new one completes.
  for (std::uint64_t carry = size_; (carry & 1U) != 0; carry >>= 1U) {
    const Hash right = peaks_.back();
    peaks_.pop_back();
    peaks_.back() = node_hash(peaks_.back(), right);
  }
  ++size_;
}

Hash GrowingTree::root() const {
  if (peaks_.empty()) return empty_root();
  Hash root = peaks_.back();
  for (std::size_t i = peaks_.size() - 1; i-- > 0;) root = node_hash(peaks_[i], root);
  return root;
}

Result<void> verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size, std::span<const Hash> proof,
                              const Hash& root) {
  if (index >= size) return failf(Errc::unauthorized, "inclusion proof: entry {}, want below {}", index, size);
  std::uint64_t node = index;
  std::uint64_t last = size - 1;
  Hash hash = leaf;
  for (const Hash& next : proof) {
    if (last == 0) return wrong("inclusion proof: too long");
    if ((node & 1U) != 0 || node == last) {
      hash = node_hash(next, hash);
      while ((node & 1U) == 0 && node != 0) {
        node >>= 1U;
        last >>= 1U;
      }
    } else {
      hash = node_hash(hash, next);
    }
    node >>= 1U;
    last >>= 1U;
  }
  if (last != 0) return wrong("inclusion proof: too short");
  if (hash != root) return wrong("inclusion proof: leads to another root");
  return {};
}

Result<void> verify_consistency(std::uint64_t old_size, const Hash& old_root, std::uint64_t size, const Hash& root,
                                std::span<const Hash> proof) {
  if (old_size > size) return failf(Errc::unauthorized, "consistency proof: size {} after {}", size, old_size);
  if (old_size == 0 || old_size == size) {
    if (!proof.empty()) return wrong("consistency proof: too long");
    if (old_root == (old_size == size ? root : empty_root())) return {};
    return wrong("consistency proof: another root for the same size");
  }
  std::vector<Hash> path(proof.begin(), proof.end());
  if (std::has_single_bit(old_size)) path.insert(path.begin(), old_root);
  if (path.empty()) return wrong("consistency proof: too short");
  std::uint64_t node = old_size - 1;
  std::uint64_t last = size - 1;
  while ((node & 1U) != 0) {
    node >>= 1U;
    last >>= 1U;
  }
  Hash old_hash = path.front();
  Hash hash = path.front();
  for (std::size_t i = 1; i < path.size(); ++i) {
    if (last == 0) return wrong("consistency proof: too long");
    if ((node & 1U) != 0 || node == last) {
      old_hash = node_hash(path[i], old_hash);
      hash = node_hash(path[i], hash);
      while ((node & 1U) == 0 && node != 0) {
        node >>= 1U;
        last >>= 1U;
      }
    } else {
      hash = node_hash(hash, path[i]);
    }
    node >>= 1U;
    last >>= 1U;
  }
  if (last != 0) return wrong("consistency proof: too short");
  if (old_hash != old_root) return wrong("consistency proof: does not begin with the older tree");
  if (hash != root) return wrong("consistency proof: leads to another root");
  return {};
}

}  // namespace sallyport::tlog
