#include "base/bytes.h"

namespace sallyport {
namespace {

template <class T>
Result<T> read_unsigned(ByteView& rest, std::size_t width) {
  if (rest.size() < width) {
    return failf(Errc::malformed, "input: {} bytes left, want {}", rest.size(), width);
  }
  T value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    value = static_cast<T>((static_cast<std::uint64_t>(value) << 8U) | rest[i]);
  }
  rest = rest.subspan(width);
  return value;
}

void write_unsigned(Bytes& out, std::uint64_t value, unsigned width) {
  for (unsigned i = width; i > 0; --i) out.push_back(static_cast<std::uint8_t>(value >> (8U * (i - 1))));
}

}  // namespace

Result<std::uint8_t> Reader::u8() {
  return read_unsigned<std::uint8_t>(rest_, 1);
}
Result<std::uint16_t> Reader::u16() {
  return read_unsigned<std::uint16_t>(rest_, 2);
}
Result<std::uint32_t> Reader::u24() {
  return read_unsigned<std::uint32_t>(rest_, 3);
}
Result<std::uint32_t> Reader::u32() {
  return read_unsigned<std::uint32_t>(rest_, 4);
}
Result<std::uint64_t> Reader::u64() {
  return read_unsigned<std::uint64_t>(rest_, 8);
}

Result<ByteView> Reader::bytes(std::size_t length) {
  if (rest_.size() < length) return failf(Errc::malformed, "input: {} bytes left, want {}", rest_.size(), length);
  const ByteView out = rest_.first(length);
  rest_ = rest_.subspan(length);
  return out;
}

namespace {

// Reads a length and its bytes, or restores the reader.
template <class ReadLength>
Result<ByteView> read_prefixed(Reader& reader, ReadLength read_length) {
  const Reader before = reader;
  auto length = read_length(reader);
  if (!length) return std::unexpected(std::move(length).error());
  auto bytes = reader.bytes(*length);
  if (!bytes) reader = before;
  return bytes;
}

}  // namespace

Result<ByteView> Reader::bytes_u8() {
  return read_prefixed(*this, [](Reader& r) { return r.u8(); });
}
Result<ByteView> Reader::bytes_u16() {
  return read_prefixed(*this, [](Reader& r) { return r.u16(); });
}
Result<ByteView> Reader::bytes_u24() {
  return read_prefixed(*this, [](Reader& r) { return r.u24(); });
}

Result<void> Reader::finish(std::string_view where) const {
  if (!rest_.empty()) return failf(Errc::malformed, "{}: {} trailing bytes, want none", where, rest_.size());
  return {};
}

Writer& Writer::u8(std::uint8_t value) {
  out_.push_back(value);
  return *this;
}
Writer& Writer::u16(std::uint16_t value) {
  write_unsigned(out_, value, 2);
  return *this;
}
Writer& Writer::u24(std::uint32_t value) {
  SALLYPORT_CHECK(value < (1U << 24U));
  write_unsigned(out_, value, 3);
  return *this;
}
Writer& Writer::u32(std::uint32_t value) {
  write_unsigned(out_, value, 4);
  return *this;
}
Writer& Writer::u64(std::uint64_t value) {
  write_unsigned(out_, value, 8);
  return *this;
}
Writer& Writer::bytes(ByteView value) {
  append(out_, value);
  return *this;
}
Writer& Writer::bytes_u8(ByteView value) {
  SALLYPORT_CHECK(value.size() <= 0xFF);
  return u8(static_cast<std::uint8_t>(value.size())).bytes(value);
}
Writer& Writer::bytes_u16(ByteView value) {
  SALLYPORT_CHECK(value.size() <= 0xFFFF);
  return u16(static_cast<std::uint16_t>(value.size())).bytes(value);
}
Writer& Writer::bytes_u24(ByteView value) {
  SALLYPORT_CHECK(value.size() <= 0xFFFFFF);
  return u24(static_cast<std::uint32_t>(value.size())).bytes(value);
}

}  // namespace sallyport
