// CRC-32 (ISO-HDLC, as in zlib): finds the accidents of a disk, not the work of an enemy.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace sallyport::store {

class Crc32 {
 public:
  Crc32& update(ByteView bytes) {
    for (const std::uint8_t byte : bytes) state_ = kTable[(state_ ^ byte) & 0xFFU] ^ (state_ >> 8U);
    return *this;
  }
  std::uint32_t value() const { return ~state_; }

 private:
  static constexpr std::array<std::uint32_t, 256> kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t entry = i;
      for (int bit = 0; bit < 8; ++bit) entry = (entry & 1U) != 0 ? 0xEDB88320U ^ (entry >> 1U) : entry >> 1U;
      table[i] = entry;
    }
    return table;
  }();
  std::uint32_t state_ = ~0U;
};

}  // namespace sallyport::store
