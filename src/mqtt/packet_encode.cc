#include <algorithm>

#include "mqtt/packet.h"

namespace sallyport::mqtt {
namespace {

constexpr std::uint8_t kConnect = 1;
constexpr std::uint8_t kPublish = 3;
constexpr std::uint8_t kPubAck = 4;
constexpr std::uint8_t kSubscribe = 8;
constexpr std::uint8_t kUnsubscribe = 10;
constexpr std::uint8_t kPingReq = 12;
constexpr std::uint8_t kDisconnect = 14;

// Property identifiers (§2.2.2.2).
constexpr std::uint8_t kMessageExpiry = 0x02;
constexpr std::uint8_t kSessionExpiry = 0x11;
constexpr std::uint8_t kMaximumPacket = 0x27;

constexpr std::size_t kMaxRemaining = 268'435'455;

void put_length(Writer& out, std::size_t length) {
  SALLYPORT_CHECK(length <= kMaxRemaining);
  do {
    const auto low = static_cast<std::uint8_t>(length & 0x7fU);
    length >>= 7U;
    out.u8(static_cast<std::uint8_t>(low | (length > 0 ? 0x80U : 0U)));
  } while (length > 0);
}

void put_text(Writer& out, std::string_view text) {
  out.bytes_u16(as_bytes(text));
}

void put_properties(Writer& out, Version version, const Writer& properties) {
  if (version != Version::v5) return;
  put_length(out, properties.size());
  out.bytes(properties.view());
}

Bytes frame(std::uint8_t type, std::uint8_t flags, ByteView body) {
  Writer out;
  out.u8(static_cast<std::uint8_t>((type << 4U) | flags));
  put_length(out, body.size());
  out.bytes(body);
  return out.take();
}

std::uint32_t in_u32(seconds duration) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(duration.count(), 0, 0xffff'ffff));
}

std::uint8_t connect_flags(const ConnectPacket& connect) {
  unsigned flags = connect.clean_session ? 0x02U : 0U;
  if (connect.will) {
    flags |= 0x04U | (static_cast<unsigned>(connect.will->qos) << 3U) | (connect.will->retain ? 0x20U : 0U);
  }
  if (!connect.user_name.empty()) flags |= 0x80U;
  if (!connect.password.empty()) flags |= 0x40U;
  return static_cast<std::uint8_t>(flags);
}

}  // namespace

SecretBytes encode_connect(const ConnectPacket& connect) {
  Writer body;
  put_text(body, "MQTT");
  body.u8(static_cast<std::uint8_t>(connect.version)).u8(connect_flags(connect));
  body.u16(static_cast<std::uint16_t>(std::clamp<std::int64_t>(connect.keep_alive.count(), 0, 65'535)));
  Writer properties;
  if (!connect.clean_session) properties.u8(kSessionExpiry).u32(in_u32(connect.session_expiry));
  properties.u8(kMaximumPacket).u32(static_cast<std::uint32_t>(connect.max_packet));
  put_properties(body, connect.version, properties);
  put_text(body, connect.client_id);
  if (connect.will) {
    put_properties(body, connect.version, Writer());
    put_text(body, connect.will->topic.get());
    body.bytes_u16(connect.will->payload);
  }
  if (!connect.user_name.empty()) put_text(body, connect.user_name);
  if (!connect.password.empty()) body.bytes_u16(connect.password.expose());
  const SecretBytes whole(body.take());  // so that both copies of the password are wiped
  return SecretBytes(frame(kConnect, 0, whole.expose()));
}

Bytes encode_publish(Version version, const Topic& topic, ByteView payload, const PublishOptions& options,
                     std::uint16_t id) {
  Writer head;
  put_text(head, topic.get());
  if (options.qos == Qos::at_least_once) head.u16(id);
  Writer properties;
  if (options.expiry) properties.u8(kMessageExpiry).u32(in_u32(*options.expiry));
  put_properties(head, version, properties);
  const auto flags = (static_cast<unsigned>(options.qos) << 1U) | (options.retain ? 1U : 0U);
  Writer out;
  out.u8(static_cast<std::uint8_t>((kPublish << 4U) | flags));
  put_length(out, head.size() + payload.size());
  out.bytes(head.view()).bytes(payload);
  return out.take();
}

Bytes encode_puback(std::uint16_t id) {
  Writer body;
  body.u16(id);
  return frame(kPubAck, 0, body.view());
}

Bytes encode_subscribe(Version version, std::uint16_t id, const TopicFilter& filter) {
  Writer body;
  body.u16(id);
  put_properties(body, version, Writer());
  put_text(body, filter.get());
  // §3.8.3.1: the rest is zero, so that a retained flag says in either version that the message lay there before.
  body.u8(static_cast<std::uint8_t>(Qos::at_least_once));
  return frame(kSubscribe, 2, body.view());
}

Bytes encode_unsubscribe(Version version, std::uint16_t id, const TopicFilter& filter) {
  Writer body;
  body.u16(id);
  put_properties(body, version, Writer());
  put_text(body, filter.get());
  return frame(kUnsubscribe, 2, body.view());
}

Bytes encode_pingreq() {
  return frame(kPingReq, 0, {});
}

Bytes encode_disconnect() {
  return frame(kDisconnect, 0, {});
}

}  // namespace sallyport::mqtt
