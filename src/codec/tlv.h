// The one encoding of our own signed objects and messages between roles: fields of tag, length, value.
//
//   field := tag u16 | length u24 | value[length]                 (big-endian)
//
// Fields stand in ascending order of tag; a tag that may repeat repeats in a row. Unknown tags are refused: a new field
// is a new version. So one value has one encoding, and what was signed is what is parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace sallyport::codec {

class TlvWriter {
 public:
  // Tags must not descend and a value must be below 2^24 bytes: anything else is a broken invariant.
  TlvWriter& bytes(std::uint16_t tag, ByteView value);
  TlvWriter& text(std::uint16_t tag, std::string_view value) { return bytes(tag, as_bytes(value)); }
  TlvWriter& u8(std::uint16_t tag, std::uint8_t value);
  TlvWriter& u32(std::uint16_t tag, std::uint32_t value);
  TlvWriter& u64(std::uint16_t tag, std::uint64_t value);
  TlvWriter& time(std::uint16_t tag, UnixTime value);  // seconds since the epoch to kNoExpiry, u64
  TlvWriter& flag(std::uint16_t tag, bool value) { return u8(tag, value ? 1 : 0); }
  template <class T>
  TlvWriter& optional_text(std::uint16_t tag, const std::optional<T>& value) {
    return value ? text(tag, *value) : *this;
  }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
  std::uint16_t last_tag_ = 0;
};

// Reads fields in order. Borrows its input. A missing field, another tag, a wrong width or a trailing field is
// Errc::malformed, named with `where`.
class TlvReader {
 public:
  TlvReader(ByteView bytes, std::string_view where) : reader_(bytes), where_(where) {}

  Result<ByteView> bytes(std::uint16_t tag);
  // Text must be valid UTF-8 without control characters.
  Result<std::string> text(std::uint16_t tag);
  Result<std::uint8_t> u8(std::uint16_t tag);
  Result<std::uint32_t> u32(std::uint16_t tag);
  Result<std::uint64_t> u64(std::uint16_t tag);
  Result<UnixTime> time(std::uint16_t tag);
  Result<bool> flag(std::uint16_t tag);
  template <std::size_t N>
  Result<std::array<std::uint8_t, N>> array(std::uint16_t tag) {
    TRY(auto view, bytes(tag));
    if (view.size() != N)
      return failf(Errc::malformed, "{}: field {} has {} bytes, want {}", where_, tag, view.size(), N);
    std::array<std::uint8_t, N> out;
    std::ranges::copy(view, out.begin());
    return out;
  }
  // Whether the next field has `tag`.
  bool next_is(std::uint16_t tag) const;
  Result<std::optional<ByteView>> optional_bytes(std::uint16_t tag);
  Result<std::optional<std::string>> optional_text(std::uint16_t tag);
  // All consecutive fields of `tag`, at most `limit`.
  Result<std::vector<ByteView>> repeated(std::uint16_t tag, std::size_t limit);
  Result<void> finish() const;

 private:
  sallyport::Reader reader_;
  std::string_view where_;
};

// The string under a signature: "sallyport/<kind>/v1" 0x00 payload. The kind separates domains, so that no signature of
// one kind is one of another.
Bytes signing_input(std::string_view kind, ByteView payload);

}  // namespace sallyport::codec
