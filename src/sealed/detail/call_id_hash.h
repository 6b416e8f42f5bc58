// Hashing of call ids, which their callers choose.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "base/random.h"
#include "sealed/names.h"

namespace sallyport::sealed {

// NH of one block (RFC 4418, section 5.2.2, with words of 64 bits): under a key that no caller knows, nobody can choose
// ids that meet more often than by chance.
class CallIdHash {
 public:
  explicit CallIdHash(Random& random) {
    const auto drawn = random.array<sizeof(key_)>();
    std::memcpy(key_.data(), drawn.data(), sizeof(key_));
  }

  std::size_t operator()(const CallId& id) const {
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), id.get().data(), sizeof(words));
    __extension__ using Product = unsigned __int128;
    const Product product = static_cast<Product>(words[0] + key_[0]) * (words[1] + key_[1]);
    return static_cast<std::size_t>(product) ^ static_cast<std::size_t>(product >> 64U);
  }

 private:
  std::array<std::uint64_t, 2> key_{};
};

}  // namespace sallyport::sealed
