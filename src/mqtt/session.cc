#include "mqtt/session.h"

#include <utility>

namespace sallyport::mqtt {
namespace {

Errc code_of_refusal(Version version, std::uint8_t code) {
  if (version == Version::v3_1_1) return code == 4 || code == 5 ? Errc::unauthorized : Errc::unavailable;
  return code == 0x86 || code == 0x87 || code == 0x8a || code == 0x8c ? Errc::unauthorized : Errc::unavailable;
}

}  // namespace

Result<void> Session::on_bytes(ByteView bytes, std::vector<SessionEvent>& events) {
  ByteView rest = bytes;
  while (!rest.empty() || !input_.empty()) {
    // A header is five bytes at most, so looking at it again with each piece that comes costs nothing.
    const ByteView known = input_.empty() ? rest : ByteView(input_);
    TRY(const auto header, parse_fixed_header(known, version_, limits_.max_packet));
    const std::size_t wanted = header ? header->header_size + header->body_size : input_.size() + 1;
    if (input_.empty() && header && rest.size() >= wanted) {
      TRY(auto packet, parse_inbound(*header, rest.subspan(header->header_size, header->body_size), version_));
      rest = rest.subspan(wanted);
      TRY_VOID(on_packet(std::move(packet), events));
      continue;
    }
    if (input_.size() < wanted) {
      const std::size_t more = std::min(rest.size(), wanted - input_.size());
      append(input_, rest.first(more));
      rest = rest.subspan(more);
      if (more == 0) return {};
      continue;
    }
    TRY(auto packet, parse_inbound(*header, ByteView(input_).subspan(header->header_size), version_));
    input_.clear();
    if (input_.capacity() > kMaxControlBytes) input_.shrink_to_fit();
    TRY_VOID(on_packet(std::move(packet), events));
  }
  return {};
}

Result<void> Session::on_packet(Inbound packet, std::vector<SessionEvent>& events) {
  heard_ = true;
  if (const auto* answer = std::get_if<ConnAck>(&packet)) return on_connack(*answer, events);
  if (const auto* goodbye = std::get_if<DisconnectPacket>(&packet))
    return failf(Errc::unavailable, "the broker ends the connection: {}",
                 explain(version_, goodbye->code, goodbye->reason));
  if (!accepted_) return fail(Errc::malformed, "mqtt: something else before CONNACK");
  if (auto* message = std::get_if<PublishPacket>(&packet)) on_publish(std::move(*message), events);
  if (const auto* ack = std::get_if<PubAck>(&packet)) on_ack(*ack, Kind::publish, events);
  if (const auto* ack = std::get_if<SubAck>(&packet)) on_ack(*ack, Kind::subscribe, events);
  if (const auto* ack = std::get_if<UnsubAck>(&packet)) on_ack(*ack, Kind::unsubscribe, events);
  if (std::holds_alternative<PingResp>(packet)) asked_ = false;
  return {};
}

Result<void> Session::on_connack(const ConnAck& answer, std::vector<SessionEvent>& events) {
  if (accepted_) return fail(Errc::malformed, "mqtt: a second CONNACK");
  if (answer.code != 0)
    return failf(code_of_refusal(version_, answer.code), "the broker refuses us: {}",
                 explain(version_, answer.code, answer.reason));
  accepted_ = true;
  broker_ = answer;
  Accepted event{.session_present = answer.session_present, .keep_alive = {}};
  if (answer.server_keep_alive) event.keep_alive = seconds(*answer.server_keep_alive);
  events.emplace_back(event);
  return {};
}

void Session::on_publish(PublishPacket packet, std::vector<SessionEvent>& events) {
  if (packet.qos == Qos::at_least_once) send(encode_puback(packet.id));
  auto topic = parse_topic(packet.topic);
  if (!topic) {
    ++dropped_;
    return;
  }
  events.emplace_back(Message{.topic = *std::move(topic),
                              .payload = std::move(packet.payload),
                              .qos = packet.qos,
                              .retained = packet.retained,
                              .duplicate = packet.duplicate});
}

// An answer to nothing of ours is ignored: it changes nothing.
void Session::on_ack(const Ack& ack, Kind kind, std::vector<SessionEvent>& events) {
  const auto found = pending_.find(ack.id);
  if (found == pending_.end() || found->second != kind) return;
  pending_.erase(found);
  if (kind == Kind::publish) --unacknowledged_;
  Answered event{.id = ack.id, .result = {}};
  if (ack.code >= 0x80)
    event.result = fail(Errc::unauthorized, "the broker refuses: " + explain(Version::v5, ack.code, ack.reason));
  events.emplace_back(std::move(event));
}

Result<void> Session::on_tick() {
  if (!accepted_ || closing_) return {};
  if (asked_ && !heard_) return fail(Errc::expired, "the broker is silent, though asked");
  if (!heard_ || !sent_) {
    send(encode_pingreq());
    asked_ = true;
  }
  heard_ = false;
  sent_ = false;
  return {};
}

Result<void> Session::check_room(std::size_t bytes) const {
  if (!accepted_ || closing_) return fail(Errc::unavailable, "no connection to the broker");
  if (unsent() + bytes > limits_.max_unsent)
    return failf(Errc::overloaded, "{} bytes wait for the broker, want at most {}", unsent() + bytes,
                 limits_.max_unsent);
  return {};
}

Result<std::uint16_t> Session::draw_id(Kind kind) {
  if (pending_.size() >= limits_.max_pending)
    return failf(Errc::overloaded, "{} packets wait for the broker's answer, want fewer", pending_.size());
  do {
    last_id_ = static_cast<std::uint16_t>(last_id_ + 1);
  } while (last_id_ == 0 || pending_.contains(last_id_));
  pending_.emplace(last_id_, kind);
  if (kind == Kind::publish) ++unacknowledged_;
  return last_id_;
}

void Session::send(ByteView packet) {
  append(output_, packet);
  sent_ = true;
}

Result<std::uint16_t> Session::publish(const Topic& topic, ByteView payload, const PublishOptions& options) {
  constexpr std::size_t kMostAround = 16;  // header, lengths, identifier, properties
  const std::size_t size = topic.get().size() + payload.size() + kMostAround;
  TRY_VOID(check_room(size));
  if (broker_.maximum_packet != 0 && size > broker_.maximum_packet)
    return failf(Errc::malformed, "publish: {} bytes, the broker takes {}", size, broker_.maximum_packet);
  if (options.retain && !broker_.retain_available) return fail(Errc::malformed, "publish: the broker retains nothing");
  if (options.qos == Qos::at_most_once) {
    send(encode_publish(version_, topic, payload, options, 0));
    return std::uint16_t{0};
  }
  if (!broker_.takes_qos_1) return fail(Errc::malformed, "publish: the broker takes QoS 0 alone");
  if (unacknowledged_ >= broker_.receive_maximum)
    return failf(Errc::overloaded, "publish: the broker takes {} at a time", broker_.receive_maximum);
  TRY(const auto id, draw_id(Kind::publish));
  send(encode_publish(version_, topic, payload, options, id));
  return id;
}

Result<std::uint16_t> Session::subscribe(const TopicFilter& filter) {
  TRY_VOID(check_room(filter.get().size()));
  TRY(const auto id, draw_id(Kind::subscribe));
  send(encode_subscribe(version_, id, filter));
  return id;
}

Result<std::uint16_t> Session::unsubscribe(const TopicFilter& filter) {
  TRY_VOID(check_room(filter.get().size()));
  TRY(const auto id, draw_id(Kind::unsubscribe));
  send(encode_unsubscribe(version_, id, filter));
  return id;
}

void Session::disconnect() {
  if (accepted_ && !closing_) send(encode_disconnect());
  closing_ = true;
}

}  // namespace sallyport::mqtt
