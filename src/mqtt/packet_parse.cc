#include <algorithm>
#include <array>

#include "mqtt/detail/properties.h"
#include "mqtt/detail/text.h"
#include "mqtt/packet.h"

namespace sallyport::mqtt {
namespace {

enum class Type : std::uint8_t {
  connack = 2,
  publish = 3,
  puback = 4,
  suback = 9,
  unsuback = 11,
  pingresp = 13,
  disconnect = 14,
};

constexpr PropertySet kConnAckProperties(Property::session_expiry, Property::receive_maximum, Property::maximum_qos,
                                         Property::retain_available, Property::maximum_packet,
                                         Property::assigned_client_id, Property::topic_alias_maximum, Property::reason,
                                         Property::user_property, Property::wildcards_available,
                                         Property::subscription_ids_available, Property::shared_available,
                                         Property::server_keep_alive, Property::response_information,
                                         Property::server_reference, Property::authentication_method,
                                         Property::authentication_data);
constexpr PropertySet kPublishProperties(Property::payload_format, Property::message_expiry, Property::topic_alias,
                                         Property::response_topic, Property::correlation_data, Property::user_property,
                                         Property::subscription_id, Property::content_type);
constexpr PropertySet kAckProperties(Property::reason, Property::user_property);
constexpr PropertySet kDisconnectProperties(Property::reason, Property::user_property, Property::server_reference);

// How long a body may be.
struct Bounds {
  std::size_t least = 0;
  std::size_t most = 0;
};

std::optional<Bounds> bounds_of(std::uint8_t type, Version version) {
  const bool v5 = version == Version::v5;
  switch (static_cast<Type>(type)) {
    case Type::connack:
      return v5 ? Bounds{.least = 3, .most = kMaxControlBytes} : Bounds{.least = 2, .most = 2};
    case Type::publish:
      return Bounds{.least = 3, .most = static_cast<std::size_t>(-1)};  // its own limit is max_packet
    case Type::puback:
      return v5 ? Bounds{.least = 2, .most = kMaxControlBytes} : Bounds{.least = 2, .most = 2};
    case Type::suback:
      return v5 ? Bounds{.least = 4, .most = kMaxControlBytes} : Bounds{.least = 3, .most = 3};
    case Type::unsuback:
      return v5 ? Bounds{.least = 4, .most = kMaxControlBytes} : Bounds{.least = 2, .most = 2};
    case Type::pingresp:
      return Bounds{.least = 0, .most = 0};
    case Type::disconnect:
      if (v5) return Bounds{.least = 0, .most = kMaxControlBytes};
      break;  // in 3.1.1 only a client says it
  }
  return std::nullopt;
}

Result<void> check_header(const FixedHeader& header, Version version, std::size_t max_packet) {
  const auto bounds = bounds_of(header.type, version);
  if (!bounds) return failf(Errc::malformed, "mqtt: a packet of type {} from the broker", header.type);
  const bool is_publish = header.type == static_cast<std::uint8_t>(Type::publish);
  const std::size_t size = header.header_size + header.body_size;
  if (is_publish && size > max_packet)
    return failf(Errc::overloaded, "mqtt: a PUBLISH of {} bytes from the broker, want at most {}", size, max_packet);
  if (header.body_size < bounds->least || header.body_size > bounds->most)
    return failf(Errc::malformed, "mqtt: a packet of type {} with {} bytes, want {} to {}", header.type,
                 header.body_size, bounds->least, bounds->most);
  if (!is_publish && header.flags != 0)
    return failf(Errc::malformed, "mqtt: flags {:#x} in a packet of type {}, want 0", header.flags, header.type);
  const unsigned qos = (header.flags >> 1U) & 3U;
  if (is_publish && qos > 1) return failf(Errc::malformed, "mqtt: a PUBLISH of QoS {}, want 0 or 1", qos);
  if (is_publish && qos == 0 && (header.flags & 8U) != 0)
    return fail(Errc::malformed, "mqtt: a PUBLISH of QoS 0 that calls itself a duplicate");
  return {};
}

Result<Inbound> read_connack(Reader& in, Version version) {
  ConnAck out;
  TRY(const auto flags, in.u8());
  TRY(out.code, in.u8());
  if (flags > 1) return failf(Errc::malformed, "CONNACK: flags {:#x}, want 0 or 1", flags);
  out.session_present = flags == 1;
  if (out.session_present && out.code != 0) return fail(Errc::malformed, "CONNACK: refused, and a session present");
  if (version == Version::v5) {
    TRY(auto told, read_properties(in, kConnAckProperties));
    out.reason = std::move(told.reason);
    out.receive_maximum = told.receive_maximum;
    out.maximum_packet = told.maximum_packet;
    if (told.has_server_keep_alive) out.server_keep_alive = told.server_keep_alive;
    out.retain_available = told.retain_available == 1;
    out.takes_qos_1 = told.maximum_qos == 1;
  }
  TRY_VOID(in.finish("CONNACK"));
  return Inbound(std::move(out));
}

Result<Inbound> read_publish(const FixedHeader& header, Reader& in, Version version) {
  PublishPacket out;
  out.retained = (header.flags & 1U) != 0;
  out.duplicate = (header.flags & 8U) != 0;
  out.qos = static_cast<Qos>((header.flags >> 1U) & 1U);
  TRY(const auto topic, in.bytes_u16());
  TRY_VOID(check_wire_topic(as_text(topic)));
  if (out.qos == Qos::at_least_once) {
    TRY(out.id, in.u16());
    if (out.id == 0) return fail(Errc::malformed, "PUBLISH: packet identifier 0");
  }
  if (version == Version::v5) {
    TRY(const auto told, read_properties(in, kPublishProperties));
    if (told.has_topic_alias) return fail(Errc::malformed, "PUBLISH: a topic alias, of which we allowed none");
  }
  out.topic = as_text(topic);
  out.payload = to_bytes(in.rest());
  return Inbound(std::move(out));
}

template <class Kind>
Result<Inbound> read_ack(Reader& in, Version version, bool has_code_always) {
  Kind out;
  TRY(out.id, in.u16());
  if (out.id == 0) return fail(Errc::malformed, "mqtt: an acknowledgement of packet 0");
  if (has_code_always) {
    if (version == Version::v5) {
      TRY(auto told, read_properties(in, kAckProperties));
      out.reason = std::move(told.reason);
    }
    TRY(out.code, in.u8());
  } else if (version == Version::v5 && in.remaining() > 0) {
    // §3.4.2.1: without a code it is success, without a length there are no properties.
    TRY(out.code, in.u8());
    if (in.remaining() > 0) {
      TRY(auto told, read_properties(in, kAckProperties));
      out.reason = std::move(told.reason);
    }
  }
  TRY_VOID(in.finish("mqtt: an acknowledgement"));
  return Inbound(std::move(out));
}

Result<Inbound> read_unsuback(Reader& in, Version version) {
  if (version == Version::v5) return read_ack<UnsubAck>(in, version, true);
  return read_ack<UnsubAck>(in, version, false);
}

Result<Inbound> read_disconnect(Reader& in) {
  DisconnectPacket out;
  if (in.remaining() > 0) {
    TRY(out.code, in.u8());
  }
  if (in.remaining() > 0) {
    TRY(auto told, read_properties(in, kDisconnectProperties));
    out.reason = std::move(told.reason);
  }
  TRY_VOID(in.finish("DISCONNECT"));
  return Inbound(std::move(out));
}

struct CodeName {
  std::uint8_t code;
  std::string_view name;
};
constexpr std::array kOldCodes{CodeName{1, "unacceptable protocol version"}, CodeName{2, "client identifier rejected"},
                               CodeName{3, "server unavailable"}, CodeName{4, "bad user name or password"},
                               CodeName{5, "not authorized"}};
constexpr std::array kCodes{CodeName{0x00, "normal disconnection"},
                            CodeName{0x80, "unspecified error"},
                            CodeName{0x81, "malformed packet"},
                            CodeName{0x82, "protocol error"},
                            CodeName{0x83, "implementation specific"},
                            CodeName{0x84, "unsupported protocol version"},
                            CodeName{0x85, "client identifier invalid"},
                            CodeName{0x86, "bad user name or password"},
                            CodeName{0x87, "not authorized"},
                            CodeName{0x88, "server unavailable"},
                            CodeName{0x89, "server busy"},
                            CodeName{0x8a, "banned"},
                            CodeName{0x8b, "server shutting down"},
                            CodeName{0x8c, "bad authentication method"},
                            CodeName{0x8d, "keep alive timeout"},
                            CodeName{0x8e, "session taken over"},
                            CodeName{0x8f, "topic filter invalid"},
                            CodeName{0x90, "topic name invalid"},
                            CodeName{0x91, "packet identifier in use"},
                            CodeName{0x93, "receive maximum exceeded"},
                            CodeName{0x95, "packet too large"},
                            CodeName{0x96, "message rate too high"},
                            CodeName{0x97, "quota exceeded"},
                            CodeName{0x98, "administrative action"},
                            CodeName{0x99, "payload format invalid"},
                            CodeName{0x9a, "retain not supported"},
                            CodeName{0x9b, "QoS not supported"},
                            CodeName{0x9c, "use another server"},
                            CodeName{0x9d, "server moved"},
                            CodeName{0x9f, "connection rate exceeded"}};

}  // namespace

Result<std::optional<FixedHeader>> parse_fixed_header(ByteView bytes, Version version, std::size_t max_packet) {
  if (bytes.empty()) return std::optional<FixedHeader>();
  FixedHeader header{.type = static_cast<std::uint8_t>(bytes[0] >> 4U),
                     .flags = static_cast<std::uint8_t>(bytes[0] & 0x0fU)};
  if (!bounds_of(header.type, version))
    return failf(Errc::malformed, "mqtt: a packet of type {} from the broker", header.type);
  // Whether the length is all there.
  const auto length = bytes.subspan(1, std::min<std::size_t>(4, bytes.size() - 1));
  const bool ends = std::ranges::any_of(length, [](std::uint8_t byte) { return (byte & 0x80U) == 0; });
  if (!ends && length.size() < 4) return std::optional<FixedHeader>();
  Reader in(length);
  TRY(header.body_size, read_length(in));
  header.header_size = 1 + length.size() - in.remaining();
  TRY_VOID(check_header(header, version, max_packet));
  return std::optional<FixedHeader>(header);
}

Result<Inbound> parse_inbound(const FixedHeader& header, ByteView body, Version version) {
  Reader in(body);
  switch (static_cast<Type>(header.type)) {
    case Type::connack:
      return read_connack(in, version);
    case Type::publish:
      return read_publish(header, in, version);
    case Type::puback:
      return read_ack<PubAck>(in, version, false);
    case Type::suback:
      return read_ack<SubAck>(in, version, true);
    case Type::unsuback:
      return read_unsuback(in, version);
    case Type::pingresp:
      TRY_VOID(in.finish("PINGRESP"));
      return Inbound(PingResp());
    case Type::disconnect:
      return read_disconnect(in);
  }
  return failf(Errc::malformed, "mqtt: a packet of type {} from the broker", header.type);
}

std::string explain(Version version, std::uint8_t code, std::string_view reason) {
  const std::span<const CodeName> names = version == Version::v5 ? std::span<const CodeName>(kCodes) : kOldCodes;
  const auto found = std::ranges::find(names, code, &CodeName::code);
  std::string out = fmt::format("{} ({:#04x})", found != names.end() ? found->name : "reason", code);
  if (!reason.empty()) out += fmt::format(": \"{}\"", reason);
  return out;
}

}  // namespace sallyport::mqtt
