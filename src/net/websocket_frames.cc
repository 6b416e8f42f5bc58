#include "net/websocket_frames.h"

#include <utility>

namespace sallyport::net {
namespace {

constexpr std::uint8_t kFin = 0x80;
constexpr std::uint8_t kReserved = 0x70;
constexpr std::uint8_t kOpcode = 0x0F;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::uint8_t kLength = 0x7F;
constexpr std::uint8_t kLength16 = 126;
constexpr std::uint8_t kLength64 = 127;
constexpr std::uint64_t kMaxLength64 = (1ULL << 63U) - 1;  // RFC 6455 §5.2: the most significant bit is 0

bool is_control(WebSocketOpcode opcode) {
  return (static_cast<std::uint8_t>(opcode) & 0x8U) != 0;
}

bool is_known(std::uint8_t opcode) {
  return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xA);
}

void append_number(Bytes& out, std::uint64_t number, unsigned octets) {
  for (unsigned i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
}

}  // namespace

void encode_web_socket_frame(WebSocketOpcode opcode, ByteView payload, std::optional<WebSocketMask> mask, Bytes& into) {
  const std::uint8_t masked = mask ? kMasked : 0;
  into.push_back(kFin | static_cast<std::uint8_t>(opcode));
  if (payload.size() < kLength16) {
    into.push_back(masked | static_cast<std::uint8_t>(payload.size()));
  } else if (payload.size() <= 0xFFFF) {
    into.push_back(masked | kLength16);
    append_number(into, payload.size(), 2);
  } else {
    into.push_back(masked | kLength64);
    append_number(into, payload.size(), 8);
  }
  if (mask) append(into, *mask);
  const std::size_t start = into.size();
  append(into, payload);
  if (!mask) return;
  for (std::size_t i = 0; i < payload.size(); ++i) into[start + i] ^= (*mask)[i % mask->size()];
}

// How many octets the header has, as far as those that are held tell.
std::size_t WebSocketDecoder::header_size() const {
  if (header_held_ < 2) return 2;
  const std::uint8_t length = header_[1] & kLength;
  const std::size_t number = length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
  return 2 + number + ((header_[1] & kMasked) != 0 ? sizeof(WebSocketMask) : 0);
}

Result<WebSocketDecoder::Frame> WebSocketDecoder::read_header() const {
  const std::uint8_t opcode = header_[0] & kOpcode;
  if ((header_[0] & kReserved) != 0) return fail(Errc::malformed, "websocket: a reserved bit is set");
  if (!is_known(opcode)) return failf(Errc::malformed, "websocket: opcode {}", opcode);
  Frame out{.opcode = static_cast<WebSocketOpcode>(opcode),
            .is_last = (header_[0] & kFin) != 0,
            .left = static_cast<std::uint64_t>(header_[1] & kLength),
            .mask = {}};
  std::size_t at = 2;
  if (out.left >= kLength16) {
    const std::size_t octets = out.left == kLength16 ? 2 : 8;
    const std::uint64_t least = out.left == kLength16 ? kLength16 : 0x1'0000;
    out.left = 0;
    for (std::size_t i = 0; i < octets; ++i) out.left = out.left << 8U | header_[at++];
    if (out.left < least || out.left > kMaxLength64)
      return fail(Errc::malformed, "websocket: a length that is not written shortest");
  }
  const bool is_masked = (header_[1] & kMasked) != 0;
  if (is_masked != (sender_ == WebSocketSide::client))
    return fail(Errc::malformed,
                is_masked ? "websocket: a server that masks" : "websocket: a client that does not mask");
  if (is_masked) std::copy_n(header_.begin() + static_cast<std::ptrdiff_t>(at), 4, out.mask.emplace().begin());
  return out;
}

Result<void> WebSocketDecoder::check_data(const Frame& frame) const {
  if (frame.opcode == WebSocketOpcode::text)
    return fail(Errc::malformed, "websocket: found text, want binary messages");
  if ((frame.opcode == WebSocketOpcode::continuation) != is_in_message_)
    return fail(Errc::malformed, "websocket: a fragment out of its message");
  if (has_ended_) return fail(Errc::malformed, "websocket: data behind the end");
  return {};
}

Result<void> WebSocketDecoder::begin(Frame frame) {
  if (is_control(frame.opcode)) {
    if (!frame.is_last || frame.left > kMaxWebSocketControl)
      return fail(Errc::malformed, "websocket: a control frame that is fragmented or too long");
    control_.clear();
  } else {
    TRY_VOID(check_data(frame));
    if (!is_in_message_) message_is_empty_ = true;
    is_in_message_ = true;
    message_is_empty_ = message_is_empty_ && frame.left == 0;
  }
  frame_ = std::move(frame);
  return frame_->left == 0 ? end_frame() : Result<void>{};
}

void WebSocketDecoder::unmask(std::span<std::uint8_t> bytes) {
  if (!frame_->mask) return;
  for (std::uint8_t& octet : bytes) octet ^= (*frame_->mask)[frame_->mask_at++ % sizeof(WebSocketMask)];
}

Result<void> WebSocketDecoder::end_control() {
  switch (frame_->opcode) {
    case WebSocketOpcode::ping:
      ping_ = std::move(control_);
      control_ = {};
      return {};
    case WebSocketOpcode::close: {
      if (control_.size() == 1) return fail(Errc::malformed, "websocket: a close of half a code");
      if (has_ended_) return {};
      const int code = control_.empty() ? 0 : control_[0] << 8 | control_[1];
      return failf(Errc::unavailable, "websocket: closed by the other side, code {}", code);
    }
    default:
      return {};
  }
}

Result<void> WebSocketDecoder::end_frame() {
  if (is_control(frame_->opcode)) {
    TRY_VOID(end_control());
  } else if (frame_->is_last) {
    is_in_message_ = false;
    has_ended_ = message_is_empty_;
  }
  frame_.reset();
  return {};
}

Result<std::size_t> WebSocketDecoder::decode(std::span<std::uint8_t> received) {
  if (fault_) return std::unexpected(*fault_);
  std::size_t kept = 0;
  auto taken = take_apart(received, kept);
  if (taken) return kept;
  fault_ = std::move(taken).error();
  if (kept > 0) return kept;
  return std::unexpected(*fault_);
}

Result<void> WebSocketDecoder::take_apart(std::span<std::uint8_t> received, std::size_t& kept) {
  std::size_t at = 0;
  while (at < received.size()) {
    if (!frame_) {
      header_[header_held_++] = received[at++];
      if (header_held_ < header_size()) continue;
      header_held_ = 0;
      TRY(auto frame, read_header());
      TRY_VOID(begin(std::move(frame)));
      continue;
    }
    const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(frame_->left, received.size() - at));
    const auto payload = received.subspan(at, size);
    unmask(payload);
    if (is_control(frame_->opcode)) {
      append(control_, payload);
    } else {
      std::ranges::copy(payload, received.begin() + static_cast<std::ptrdiff_t>(kept));
      kept += size;
    }
    at += size;
    frame_->left -= size;
    if (frame_->left == 0) TRY_VOID(end_frame());
  }
  return {};
}

std::optional<Bytes> WebSocketDecoder::take_ping() {
  return std::exchange(ping_, std::nullopt);
}

}  // namespace sallyport::net
