#include "codec/tlv.h"

#include "codec/json.h"

namespace sallyport::codec {
namespace {

constexpr std::size_t kMaxValue = (1U << 24U) - 1;

// C0, DEL and, as UTF-8, C1.
bool has_control_character(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7F) return true;
    if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) return true;
  }
  return false;
}

template <std::size_t N>
std::array<std::uint8_t, N> big_endian(std::uint64_t value) {
  std::array<std::uint8_t, N> out;
  for (std::size_t i = N; i > 0; --i, value >>= 8U) out[i - 1] = static_cast<std::uint8_t>(value);
  return out;
}

}  // namespace

TlvWriter& TlvWriter::bytes(std::uint16_t tag, ByteView value) {
  SALLYPORT_CHECK(tag >= last_tag_ && value.size() <= kMaxValue);
  last_tag_ = tag;
  append(out_, big_endian<2>(tag));
  append(out_, big_endian<3>(value.size()));
  append(out_, value);
  return *this;
}

TlvWriter& TlvWriter::u8(std::uint16_t tag, std::uint8_t value) {
  return bytes(tag, {&value, 1});
}

TlvWriter& TlvWriter::u32(std::uint16_t tag, std::uint32_t value) {
  return bytes(tag, big_endian<4>(value));
}

TlvWriter& TlvWriter::u64(std::uint16_t tag, std::uint64_t value) {
  return bytes(tag, big_endian<8>(value));
}

TlvWriter& TlvWriter::time(std::uint16_t tag, UnixTime value) {
  SALLYPORT_CHECK(value.since_epoch() >= 0 && value <= kNoExpiry);
  return u64(tag, static_cast<std::uint64_t>(value.since_epoch()));
}

bool TlvReader::next_is(std::uint16_t tag) const {
  const ByteView rest = reader_.rest();
  return rest.size() >= 2 && rest[0] == (tag >> 8U) && rest[1] == (tag & 0xFFU);
}

Result<ByteView> TlvReader::bytes(std::uint16_t tag) {
  if (reader_.remaining() == 0) return failf(Errc::malformed, "{}: at the end, want field {}", where_, tag);
  sallyport::Reader ahead = reader_;
  auto found = ahead.u16();
  if (!found) return std::unexpected<Error>(std::move(found).error().at(where_));
  if (*found != tag) return failf(Errc::malformed, "{}: field {}, want {}", where_, *found, tag);
  auto value = ahead.bytes_u24();
  if (!value) return std::unexpected<Error>(std::move(value).error().at(where_));
  reader_ = ahead;
  return *value;
}

Result<std::string> TlvReader::text(std::uint16_t tag) {
  TRY(const ByteView value, bytes(tag));
  const std::string_view out = as_text(value);
  if (!is_utf8(out)) return failf(Errc::malformed, "{}: field {} is not UTF-8", where_, tag);
  if (has_control_character(out)) return failf(Errc::malformed, "{}: field {} has a control character", where_, tag);
  return std::string(out);
}

Result<std::uint8_t> TlvReader::u8(std::uint16_t tag) {
  TRY(const auto value, array<1>(tag));
  return value[0];
}

Result<std::uint32_t> TlvReader::u32(std::uint16_t tag) {
  TRY(const auto value, array<4>(tag));
  return sallyport::Reader(value).u32();
}

Result<std::uint64_t> TlvReader::u64(std::uint16_t tag) {
  TRY(const auto value, array<8>(tag));
  return sallyport::Reader(value).u64();
}

Result<UnixTime> TlvReader::time(std::uint16_t tag) {
  TRY(const std::uint64_t value, u64(tag));
  const auto last = static_cast<std::uint64_t>(kNoExpiry.since_epoch());
  if (value > last)
    return failf(Errc::malformed, "{}: field {} is a time of {}, want at most {}", where_, tag, value, last);
  return UnixTime(static_cast<std::int64_t>(value));
}

Result<bool> TlvReader::flag(std::uint16_t tag) {
  TRY(const std::uint8_t value, u8(tag));
  if (value > 1) return failf(Errc::malformed, "{}: field {} is the flag {}, want 0 or 1", where_, tag, value);
  return value == 1;
}

Result<std::optional<ByteView>> TlvReader::optional_bytes(std::uint16_t tag) {
  if (!next_is(tag)) return std::optional<ByteView>();
  TRY(const ByteView value, bytes(tag));
  return std::optional<ByteView>(value);
}

Result<std::optional<std::string>> TlvReader::optional_text(std::uint16_t tag) {
  if (!next_is(tag)) return std::optional<std::string>();
  TRY(std::string value, text(tag));
  return std::optional<std::string>(std::move(value));
}

Result<std::vector<ByteView>> TlvReader::repeated(std::uint16_t tag, std::size_t limit) {
  std::vector<ByteView> out;
  while (next_is(tag)) {
    if (out.size() == limit) return failf(Errc::malformed, "{}: more than {} fields {}", where_, limit, tag);
    TRY(const ByteView value, bytes(tag));
    out.push_back(value);
  }
  return out;
}

Result<void> TlvReader::finish() const {
  return reader_.finish(where_);
}

Bytes signing_input(std::string_view kind, ByteView payload) {
  Bytes out = to_bytes("sallyport/");
  append(out, as_bytes(kind));
  append(out, as_bytes("/v1"));
  out.push_back(0);
  append(out, payload);
  return out;
}

}  // namespace sallyport::codec
