// Byte strings, and checked reading and writing of big-endian fields.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sallyport {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// Views `text` as bytes; borrows.
inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Views `bytes` as text; borrows. Says nothing about their encoding.
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Bytes to_bytes(ByteView view) {
  return {view.begin(), view.end()};
}
inline Bytes to_bytes(std::string_view text) {
  return to_bytes(as_bytes(text));
}

inline bool equal(ByteView a, ByteView b) {
  return std::ranges::equal(a, b);
}

inline void append(Bytes& out, ByteView more) {
  out.insert(out.end(), more.begin(), more.end());
}

// Reads fields from a byte string in wire order. Borrows the bytes for its lifetime; every read past the end is
// Errc::malformed and leaves the position where it was.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  Result<std::uint8_t> u8();
  Result<std::uint16_t> u16();
  Result<std::uint32_t> u24();
  Result<std::uint32_t> u32();
  Result<std::uint64_t> u64();
  // Returns a view of the next `length` bytes, borrowed from what the reader was made with.
  Result<ByteView> bytes(std::size_t length);
  // Read a length of one, two or three bytes and then that many bytes.
  Result<ByteView> bytes_u8();
  Result<ByteView> bytes_u16();
  Result<ByteView> bytes_u24();
  template <std::size_t N>
  Result<std::array<std::uint8_t, N>> array() {
    TRY(auto view, bytes(N));
    std::array<std::uint8_t, N> out;
    std::ranges::copy(view, out.begin());
    return out;
  }

  std::size_t remaining() const { return rest_.size(); }
  ByteView rest() const { return rest_; }
  // Fails with Errc::malformed unless everything was read; `where` names the format.
  Result<void> finish(std::string_view where) const;

 private:
  ByteView rest_;
};

// Appends big-endian fields to a byte string that it owns.
class Writer {
 public:
  Writer& u8(std::uint8_t value);
  Writer& u16(std::uint16_t value);
  Writer& u24(std::uint32_t value);
  Writer& u32(std::uint32_t value);
  Writer& u64(std::uint64_t value);
  Writer& bytes(ByteView value);
  Writer& text(std::string_view value) { return bytes(as_bytes(value)); }
  // Write a length of one, two or three bytes and then the bytes, which must fit: a longer one is a broken invariant.
  Writer& bytes_u8(ByteView value);
  Writer& bytes_u16(ByteView value);
  Writer& bytes_u24(ByteView value);

  std::size_t size() const { return out_.size(); }
  ByteView view() const { return out_; }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

}  // namespace sallyport
