#include "mqtt/detail/properties.h"

#include "mqtt/packet.h"

namespace sallyport::mqtt {
namespace {

enum class Shape : std::uint8_t { byte, two_bytes, four_bytes, length, text, data, pair, unknown };

Shape shape_of(Property property) {
  switch (property) {
    case Property::payload_format:
    case Property::maximum_qos:
    case Property::retain_available:
    case Property::wildcards_available:
    case Property::subscription_ids_available:
    case Property::shared_available:
      return Shape::byte;
    case Property::server_keep_alive:
    case Property::receive_maximum:
    case Property::topic_alias_maximum:
    case Property::topic_alias:
      return Shape::two_bytes;
    case Property::message_expiry:
    case Property::session_expiry:
    case Property::maximum_packet:
      return Shape::four_bytes;
    case Property::subscription_id:
      return Shape::length;
    case Property::content_type:
    case Property::response_topic:
    case Property::assigned_client_id:
    case Property::authentication_method:
    case Property::response_information:
    case Property::server_reference:
    case Property::reason:
      return Shape::text;
    case Property::correlation_data:
    case Property::authentication_data:
      return Shape::data;
    case Property::user_property:
      return Shape::pair;
  }
  return Shape::unknown;
}

struct Value {
  std::uint32_t number = 0;
  ByteView bytes;
};

Result<Value> read_value(Reader& in, Shape shape) {
  Value value;
  switch (shape) {
    case Shape::byte: {
      TRY(const auto byte, in.u8());
      value.number = byte;
      if (byte > 1) return failf(Errc::malformed, "mqtt property: found {}, want 0 or 1", byte);
      return value;
    }
    case Shape::two_bytes: {
      TRY(const auto number, in.u16());
      value.number = number;
      return value;
    }
    case Shape::four_bytes: {
      TRY(value.number, in.u32());
      return value;
    }
    case Shape::length: {
      TRY(value.number, read_length(in));
      return value;
    }
    case Shape::pair: {
      TRY_VOID(in.bytes_u16());
      TRY_VOID(in.bytes_u16());
      return value;
    }
    case Shape::text:
    case Shape::data: {
      TRY(value.bytes, in.bytes_u16());
      return value;
    }
    case Shape::unknown:
      break;
  }
  return fail(Errc::malformed, "mqtt property: unknown");
}

Result<void> take(Properties& out, Property property, const Value& value) {
  const bool needs_value = property == Property::receive_maximum || property == Property::maximum_packet ||
                           property == Property::subscription_id;
  if (needs_value && value.number == 0)
    return failf(Errc::malformed, "mqtt property {:#04x}: found 0", static_cast<unsigned>(property));
  if (property == Property::receive_maximum) out.receive_maximum = static_cast<std::uint16_t>(value.number);
  if (property == Property::maximum_packet) out.maximum_packet = value.number;
  if (property == Property::maximum_qos) out.maximum_qos = static_cast<std::uint8_t>(value.number);
  if (property == Property::retain_available) out.retain_available = static_cast<std::uint8_t>(value.number);
  if (property == Property::topic_alias) out.has_topic_alias = true;
  if (property == Property::server_keep_alive) {
    out.server_keep_alive = static_cast<std::uint16_t>(value.number);
    out.has_server_keep_alive = true;
  }
  if (property == Property::reason)
    out.reason = as_text(value.bytes.first(std::min(value.bytes.size(), kMaxReasonBytes)));
  return {};
}

}  // namespace

Result<std::uint32_t> read_length(Reader& in) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) {
    TRY(const auto byte, in.u8());
    value |= static_cast<std::uint32_t>(byte & 0x7fU) << (7 * i);
    if ((byte & 0x80U) != 0) continue;
    if (byte == 0 && i > 0) return fail(Errc::malformed, "mqtt length: not in its shortest form");
    return value;
  }
  return fail(Errc::malformed, "mqtt length: more than four bytes");
}

Result<Properties> read_properties(Reader& in, const PropertySet& allowed) {
  TRY(const auto length, read_length(in));
  TRY(const auto bytes, in.bytes(length));
  Reader rest(bytes);
  Properties out;
  std::uint64_t seen = 0;
  while (rest.remaining() > 0) {
    TRY(const auto identifier, rest.u8());
    const auto property = static_cast<Property>(identifier);
    const Shape shape = shape_of(property);
    if (shape == Shape::unknown || !allowed.has(property))
      return failf(Errc::malformed, "mqtt property {:#04x}: not one of this packet", identifier);
    const bool repeats = property == Property::user_property || property == Property::subscription_id;
    const std::uint64_t bit = std::uint64_t{1} << identifier;
    if (!repeats && (seen & bit) != 0) return failf(Errc::malformed, "mqtt property {:#04x}: twice", identifier);
    seen |= bit;
    TRY(const auto value, read_value(rest, shape));
    TRY_VOID(take(out, property, value));
  }
  return out;
}

}  // namespace sallyport::mqtt
