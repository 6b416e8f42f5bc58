#include "sealed/overheard.h"

#include "sealed/detail/noise.h"

namespace sallyport::sealed {
namespace {

constexpr std::size_t kTypeBytes = 1;
constexpr std::size_t kTagBytes = 8;
constexpr std::size_t kPrekeyIdBytes = 4;

// How long the shortest message of a type is, and its mark.
struct Shape {
  std::size_t least = 0;
  std::size_t mark = 0;
};

std::optional<Shape> shape_of(MessageType type) {
  switch (type) {
    case MessageType::init:
      return Shape{.least = kInitBytes, .mark = std::tuple_size_v<Hint>};
    case MessageType::init_cert:
      return Shape{.least = kInitCertBytes, .mark = kPrekeyIdBytes};
    case MessageType::accept:
      return Shape{.least = kAcceptBytes, .mark = 0};
    case MessageType::data:
    case MessageType::reply:
      return Shape{.least = kDataBytes, .mark = kTagBytes};
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(MessageType type) {
  switch (type) {
    case MessageType::init:
      return "INIT";
    case MessageType::init_cert:
      return "INIT-CERT";
    case MessageType::accept:
      return "ACCEPT";
    case MessageType::data:
      return "DATA";
    case MessageType::reply:
      return "REPLY";
  }
  return "unknown";
}

std::optional<Overheard> overhear(ByteView message) {
  if (message.empty() || message.size() > kMaxMessageBytes) return std::nullopt;
  const auto type = static_cast<MessageType>(message[0]);
  const auto shape = shape_of(type);
  if (!shape || message.size() < shape->least) return std::nullopt;
  return Overheard{
      .type = type, .mark = message.subspan(kTypeBytes, shape->mark), .sealed_bytes = message.size() - shape->least};
}

Result<OpenedInit> open_init(const NodeKey& key, const TopicPrefix& prefix, const NodeName& node, ByteView message) {
  TRY(const auto init, parse_init(message));
  NoiseResponder noise =
      NoiseResponder::nnpsk0(init_prologue(request_topic(prefix, node), node, init.hint), key, init.ephemeral);
  TRY(const SecretBytes opened, noise.read(init.sealed));
  TRY(const auto payload, parse_init_payload(opened.expose()));
  OpenedInit out{.has_clock = init.hint != hint_without_clock(key),
                 .time = payload.time,
                 .body = {},
                 .reply_topic = reply_topic(prefix, derive_inbox(key.expose(), init.ephemeral))};
  TRY(out.body, parse_request_body(payload.body));
  return out;
}

}  // namespace sallyport::sealed
