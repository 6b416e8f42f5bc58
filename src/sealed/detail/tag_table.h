// Which session a tag belongs to, and which request of it: one look for every DATA that comes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace sallyport::sealed {

using Tag = std::uint64_t;

// Tags are the output of a pseudorandom function under keys of which both sides drew a part, so they are their own
// hash. Open addressing; grows, and never shrinks: bounded by sessions and window.
class TagTable {
 public:
  struct Place {
    std::uint32_t session = 0;
    std::uint32_t request = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };

  TagTable();
  // A tag that is there already stays as it is: of two equal tags in 2^64 the later is not found, and its request is
  // sent again under another.
  void insert(Tag tag, Place place);
  std::optional<Place> find(Tag tag) const;
  // Removes `tag` when it stands for `place`.
  void erase(Tag tag, Place place);
  std::size_t size() const { return size_; }

 private:
  static constexpr std::uint32_t kEmpty = ~std::uint32_t{0};
  struct Slot {
    Tag tag = 0;
    Place place{.session = kEmpty};
  };
  std::size_t home(Tag tag) const { return tag & (slots_.size() - 1); }
  std::size_t next(std::size_t index) const { return (index + 1) & (slots_.size() - 1); }
  // Where `tag` is, or the empty slot where it would be.
  std::size_t locate(Tag tag) const;
  void grow();

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace sallyport::sealed
