#include "codec/msgpack.h"

#include <bit>
#include <cmath>
#include <limits>

namespace sallyport::codec {
namespace {

// https://github.com/msgpack/msgpack/blob/master/spec.md, "Formats".
enum MsgpackLead : std::uint8_t {
  kFixMap = 0x80,
  kFixArray = 0x90,
  kFixText = 0xA0,
  kNil = 0xC0,
  kUnused = 0xC1,
  kFalse = 0xC2,
  kTrue = 0xC3,
  kBin8 = 0xC4,
  kBin32 = 0xC6,
  kExt8 = 0xC7,
  kExt32 = 0xC9,
  kFloat32 = 0xCA,
  kFloat64 = 0xCB,
  kUint8 = 0xCC,
  kUint16 = 0xCD,
  kUint32 = 0xCE,
  kUint64 = 0xCF,
  kInt8 = 0xD0,
  kInt16 = 0xD1,
  kInt32 = 0xD2,
  kInt64 = 0xD3,
  kFixExt1 = 0xD4,
  kFixExt16 = 0xD8,
  kText8 = 0xD9,
  kText16 = 0xDA,
  kText32 = 0xDB,
  kArray16 = 0xDC,
  kArray32 = 0xDD,
  kMap16 = 0xDE,
  kMap32 = 0xDF,
  kNegative = 0xE0,
};

class MsgpackParser {
 public:
  MsgpackParser(ByteView bytes, JsonLimits limits)
      : size_(bytes.size()), rest_(bytes), limits_(limits), values_left_(limits.values) {}

  Result<Json> document() {
    TRY(Json out, value(0));
    if (rest_.remaining() > 0) return fault("trailing bytes");
    return out;
  }

 private:
  std::unexpected<Error> fault(std::string_view what) const {
    return failf(Errc::malformed, "msgpack: byte {}: {}", size_ - rest_.remaining(), what);
  }

  Result<Json> value(std::size_t depth) {
    if (values_left_ == 0) return failf(Errc::overloaded, "msgpack: more than {} values", limits_.values);
    --values_left_;
    TRY(const std::uint8_t lead, next_lead());
    if (lead < kFixMap) return Json(std::int64_t{lead});
    if (lead >= kNegative) return Json(std::int64_t{lead} - 0x100);
    if (lead < kNil) return short_value(lead, depth);
    if (lead >= kBin8 && lead <= kBin32) return fault("byte string, which JSON has not");
    if ((lead >= kExt8 && lead <= kExt32) || (lead >= kFixExt1 && lead <= kFixExt16)) return fault("extension type");
    if (lead == kFloat32 || lead == kFloat64) return number(lead);
    if (lead >= kUint8 && lead <= kInt64) return integer(lead);
    return long_value(lead, depth);
  }

  Result<std::uint8_t> next_lead() {
    if (rest_.remaining() == 0) return fault("ends early");
    return rest_.u8();
  }

  Result<Json> short_value(std::uint8_t lead, std::size_t depth) {
    if (lead >= kFixText) return text(lead & 0x1FU);
    if (lead >= kFixArray) return array(lead & 0x0FU, depth);
    return map(lead & 0x0FU, depth);
  }

  Result<Json> long_value(std::uint8_t lead, std::size_t depth) {
    switch (lead) {
      case kNil:
        return Json();
      case kFalse:
        return Json(false);
      case kTrue:
        return Json(true);
      case kText8:
      case kText16:
      case kText32: {
        TRY(const std::uint64_t length, big_endian(std::size_t{1} << (lead - kText8)));
        return text(length);
      }
      case kArray16:
      case kArray32: {
        TRY(const std::uint64_t count, big_endian(std::size_t{2} << (lead - kArray16)));
        return array(count, depth);
      }
      case kMap16:
      case kMap32: {
        TRY(const std::uint64_t count, big_endian(std::size_t{2} << (lead - kMap16)));
        return map(count, depth);
      }
      default:
        return fault("byte that begins no value");
    }
  }

  // 1, 2, 4 or 8 bytes.
  Result<std::uint64_t> big_endian(std::size_t width) {
    if (rest_.remaining() < width) return fault("ends early");
    TRY(const ByteView field, rest_.bytes(width));
    std::uint64_t out = 0;
    for (const std::uint8_t byte : field) out = out << 8U | byte;
    return out;
  }

  Result<Json> integer(std::uint8_t lead) {
    const bool has_sign = lead >= kInt8;
    const std::size_t width = std::size_t{1} << (lead - (has_sign ? kInt8 : kUint8));
    TRY(const std::uint64_t bits, big_endian(width));
    if (!has_sign) {
      if (bits > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
        return fault("integer outside 64 bits with sign");
      return Json(static_cast<std::int64_t>(bits));
    }
    const std::size_t unused = 64 - 8 * width;  // shifted out and, with the sign, in again
    return Json(static_cast<std::int64_t>(bits << unused) >> unused);
  }

  Result<Json> number(std::uint8_t lead) {
    TRY(const std::uint64_t bits, big_endian(lead == kFloat32 ? 4 : 8));
    const double value =
        lead == kFloat32 ? double{std::bit_cast<float>(static_cast<std::uint32_t>(bits))} : std::bit_cast<double>(bits);
    if (!std::isfinite(value)) return fault("number that is none or infinite, which JSON has not");
    return Json(value);
  }

  Result<std::string> raw_text(std::uint64_t length) {
    if (length > rest_.remaining()) return fault("text longer than the rest");
    TRY(const ByteView view, rest_.bytes(static_cast<std::size_t>(length)));
    if (!is_utf8(as_text(view))) return fault("text that is not UTF-8");
    return std::string(as_text(view));
  }

  Result<Json> text(std::uint64_t length) {
    TRY(std::string out, raw_text(length));
    return Json(std::move(out));
  }

  // `least` bytes are needed for each of `count` items.
  Result<void> enter(std::uint64_t count, std::uint64_t least, std::size_t depth) const {
    if (depth >= limits_.depth) return failf(Errc::overloaded, "msgpack: deeper than {}", limits_.depth);
    if (count > rest_.remaining() / least) return fault("container of more than there are bytes");
    return {};
  }

  Result<Json> array(std::uint64_t count, std::size_t depth) {
    TRY_VOID(enter(count, 1, depth));
    Json::Array out;
    for (std::uint64_t i = 0; i < count; ++i) {
      TRY(Json item, value(depth + 1));
      out.push_back(std::move(item));
    }
    return Json(std::move(out));
  }

  Result<Json> map(std::uint64_t count, std::size_t depth) {
    TRY_VOID(enter(count, 2, depth));
    Json::Object out;
    for (std::uint64_t i = 0; i < count; ++i) {
      TRY(std::string key, map_key());
      if (out.contains(key)) return fault("key that stands twice in its map");
      TRY(Json member, value(depth + 1));
      out.emplace(std::move(key), std::move(member));
    }
    return Json(std::move(out));
  }

  Result<std::string> map_key() {
    TRY(const std::uint8_t lead, next_lead());
    if (lead >= kFixText && lead < kNil) return raw_text(lead & 0x1FU);
    if (lead < kText8 || lead > kText32) return fault("key that is not text");
    TRY(const std::uint64_t length, big_endian(std::size_t{1} << (lead - kText8)));
    return raw_text(length);
  }

  std::size_t size_;
  Reader rest_;
  JsonLimits limits_;
  std::size_t values_left_;
};

// The forms of a length from the third on: 16 and 32 bits, with leads one after the other.
void write_long_length(Writer& out, std::uint8_t lead_of_16, std::size_t length) {
  SALLYPORT_CHECK(length <= std::numeric_limits<std::uint32_t>::max());
  if (length <= 0xFFFF) {
    out.u8(lead_of_16).u16(static_cast<std::uint16_t>(length));
  } else {
    out.u8(static_cast<std::uint8_t>(lead_of_16 + 1)).u32(static_cast<std::uint32_t>(length));
  }
}

}  // namespace

Result<Json> parse_msgpack(ByteView bytes, JsonLimits limits) {
  if (bytes.size() > limits.size) {
    return failf(Errc::overloaded, "msgpack: {} bytes, want at most {}", bytes.size(), limits.size);
  }
  return MsgpackParser(bytes, limits).document();
}

MsgpackWriter& MsgpackWriter::array(std::size_t count) {
  if (count < 16) {
    out_.u8(static_cast<std::uint8_t>(kFixArray | count));
  } else {
    write_long_length(out_, kArray16, count);
  }
  return *this;
}

MsgpackWriter& MsgpackWriter::map(std::size_t count) {
  if (count < 16) {
    out_.u8(static_cast<std::uint8_t>(kFixMap | count));
  } else {
    write_long_length(out_, kMap16, count);
  }
  return *this;
}

MsgpackWriter& MsgpackWriter::text(std::string_view text) {
  SALLYPORT_CHECK(is_utf8(text));
  if (text.size() < 32) {
    out_.u8(static_cast<std::uint8_t>(kFixText | text.size()));
  } else if (text.size() <= 0xFF) {
    out_.u8(kText8).u8(static_cast<std::uint8_t>(text.size()));
  } else {
    write_long_length(out_, kText16, text.size());
  }
  out_.text(text);
  return *this;
}

void MsgpackWriter::integer(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  if (value >= -32 && value < 128) {
    out_.u8(static_cast<std::uint8_t>(bits));
  } else if (value >= 0 ? bits <= 0xFF : value >= std::numeric_limits<std::int8_t>::min()) {
    out_.u8(value >= 0 ? kUint8 : kInt8).u8(static_cast<std::uint8_t>(bits));
  } else if (value >= 0 ? bits <= 0xFFFF : value >= std::numeric_limits<std::int16_t>::min()) {
    out_.u8(value >= 0 ? kUint16 : kInt16).u16(static_cast<std::uint16_t>(bits));
  } else if (value >= 0 ? bits <= 0xFFFF'FFFF : value >= std::numeric_limits<std::int32_t>::min()) {
    out_.u8(value >= 0 ? kUint32 : kInt32).u32(static_cast<std::uint32_t>(bits));
  } else {
    out_.u8(value >= 0 ? kUint64 : kInt64).u64(bits);
  }
}

void MsgpackWriter::number(double value) {
  SALLYPORT_CHECK(std::isfinite(value));
  out_.u8(kFloat64).u64(std::bit_cast<std::uint64_t>(value));
}

MsgpackWriter& MsgpackWriter::value(const Json& value) {
  struct WriteOne {
    MsgpackWriter& writer;

    void operator()(std::nullptr_t) const { writer.out_.u8(kNil); }
    void operator()(bool flag) const { writer.out_.u8(flag ? kTrue : kFalse); }
    void operator()(std::int64_t whole) const { writer.integer(whole); }
    void operator()(double real) const { writer.number(real); }
    void operator()(const std::string& text) const { writer.text(text); }
    void operator()(const Json::Array& items) const {
      writer.array(items.size());
      for (const Json& item : items) writer.value(item);
    }
    void operator()(const Json::Object& members) const {
      writer.map(members.size());
      for (const auto& [key, member] : members) writer.text(key).value(member);
    }
  };
  value.visit(WriteOne{*this});
  return *this;
}

Bytes write_msgpack(const Json& value) {
  return std::move(MsgpackWriter().value(value)).take();
}

}  // namespace sallyport::codec
