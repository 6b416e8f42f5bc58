#include "sealed/detail/session.h"

#include <bit>

namespace sallyport::sealed {
namespace {

constexpr std::size_t kBlock = crypto::BlockPrf::kBlockBytes;

void put_u32(std::uint8_t* out, std::uint32_t value) {
  for (int i = 3; i >= 0; --i, value >>= 8U) out[i] = static_cast<std::uint8_t>(value);
}

void put_u64(std::uint8_t* out, std::uint64_t value) {
  for (int i = 7; i >= 0; --i, value >>= 8U) out[i] = static_cast<std::uint8_t>(value);
}

std::uint64_t get_u64(const std::uint8_t* in) {
  std::uint64_t out = 0;
  for (int i = 0; i < 8; ++i) out = (out << 8U) | in[i];
  return out;
}

crypto::AeadNonce session_nonce(std::uint32_t chunk, std::uint64_t request) {
  crypto::AeadNonce out;
  put_u32(out.data(), chunk);
  put_u64(out.data() + 4, request);
  return out;
}

Secret<32> tag_key(const NoiseSecrets& secrets, std::string_view info) {
  const SecretBytes derived = crypto::hkdf_sha256(secrets.chaining_key.expose(), secrets.hash, as_bytes(info), 32);
  return Secret<32>(derived.expose().first<32>());
}

void write_head(std::span<std::uint8_t> out, MessageType type, Tag tag) {
  out[0] = static_cast<std::uint8_t>(type);
  put_u64(&out[1], tag);
}

}  // namespace

SessionKeys derive_session_keys(const NoiseSecrets& secrets) {
  return {.request = secrets.to_responder.clone(),
          .reply = secrets.to_initiator.clone(),
          .request_tags = tag_key(secrets, "SR1 request tags"),
          .reply_tags = tag_key(secrets, "SR1 reply tags")};
}

SessionContext::SessionContext(std::string_view request_topic, const NodeName& node)
    : data_(message_context(MessageType::data, request_topic, node)),
      reply_(message_context(MessageType::reply, request_topic, node)) {
  reply_.resize(reply_.size() + kSealTail);
}

ByteView SessionContext::reply_to(const MessageTail& request) {
  std::ranges::copy(request, reply_.end() - kSealTail);
  return reply_;
}

void RequestTags::make_batch() {
  std::array<std::uint8_t, kBatch * kBlock> blocks{};
  for (std::uint32_t i = 0; i < kBatch; ++i) put_u64(&blocks[i * kBlock + 8], made_ + i);
  prf_.apply(blocks);
  for (std::uint32_t i = 0; i < kBatch; ++i) tags_[(made_ + i) % kKept] = get_u64(&blocks[i * kBlock]);
  made_ += kBatch;
}

Tag RequestTags::at(std::uint32_t request) {
  while (request >= made_) make_batch();
  SALLYPORT_CHECK(made_ - request <= kKept);
  return tags_[request % kKept];
}

void ReplyTags::fill(std::uint64_t request, std::uint32_t chunk, std::span<Tag> out) {
  std::array<std::uint8_t, kMost * kBlock> blocks{};
  SALLYPORT_CHECK(out.size() <= kMost);
  const std::span<std::uint8_t> used(blocks.data(), out.size() * kBlock);
  for (std::uint32_t i = 0; i < out.size(); ++i) {
    put_u32(&blocks[i * kBlock + 4], chunk + i);
    put_u64(&blocks[i * kBlock + 8], request);
  }
  prf_.apply(used);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = get_u64(&blocks[i * kBlock]);
}

CallerSession::CallerSession(const SessionKeys& keys)
    : sealer_(keys.request), opener_(keys.reply), tags_(keys.request_tags), reply_tags_(keys.reply_tags) {}

void CallerSession::seal(SessionContext& context, ByteView body, std::span<std::uint8_t> out) {
  SALLYPORT_CHECK(next_ < kMaxSessionRequests && out.size() == body.size() + kDataBytes);
  write_head(out, MessageType::data, tags_.at(next_));
  sealer_.seal(session_nonce(0, next_), context.data(), body, out.subspan(kDataHead));
  ++next_;
}

Result<Bytes> CallerSession::open_reply(SessionContext& context, std::uint64_t request, std::uint32_t chunk,
                                        const MessageTail& tail, ByteView message) {
  if (message.size() < kDataBytes)
    return failf(Errc::malformed, "reply: {} bytes, want {}", message.size(), kDataBytes);
  Bytes out(message.size() - kDataBytes);
  if (!opener_.open(session_nonce(chunk, request), context.reply_to(tail), message.subspan(kDataHead), out))
    return fail(Errc::unauthorized, "reply: does not open");
  return out;
}

NodeSession::NodeSession(const SessionKeys& keys, RequestTable& table, std::uint32_t slot)
    : opener_(keys.request),
      sealer_(keys.reply),
      tags_(keys.request_tags),
      reply_tags_(keys.reply_tags),
      table_(table),
      slot_(slot) {
  for (std::uint32_t request = 0; request < kWindow; ++request) offer(request);
}

NodeSession::~NodeSession() {
  const std::uint32_t lowest = next_ > kWindow + 1 ? next_ - kWindow - 1 : 0;
  for (std::uint32_t request = lowest; request < next_ + kWindow; ++request) withdraw(request);
}

void NodeSession::offer(std::uint32_t request) {
  if (request >= kMaxSessionRequests) return;
  table_.insert(tags_.at(request), {.session = slot_, .request = request});
  offered_.set(request % RequestTags::kKept);
}

void NodeSession::withdraw(std::uint32_t request) {
  if (!offered_.test(request % RequestTags::kKept)) return;
  table_.erase(tags_.at(request), {.session = slot_, .request = request});
  offered_.reset(request % RequestTags::kKept);
}

bool NodeSession::open(SessionContext& context, std::uint32_t request, ByteView message, std::span<std::uint8_t> out) {
  if (!opener_.open(session_nonce(0, request), context.data(), message.subspan(kDataHead), out)) return false;
  withdraw(request);
  // The highest one opened is next_ - 1: offered are those from 64 below it to 64 above it.
  for (; next_ <= request; ++next_) {
    if (next_ > kWindow) withdraw(next_ - kWindow - 1);
    offer(next_ + kWindow);
  }
  return true;
}

Bytes NodeSession::seal_reply(SessionContext& context, std::uint64_t request, std::uint32_t chunk,
                              const MessageTail& tail, ByteView body) {
  Bytes out(body.size() + kDataBytes);
  Tag tag = 0;
  reply_tags_.fill(request, chunk, {&tag, 1});
  write_head(out, MessageType::reply, tag);
  sealer_.seal(session_nonce(chunk, request), context.reply_to(tail), body, std::span(out).subspan(kDataHead));
  return out;
}

Tag read_tag(ByteView message) {
  SALLYPORT_CHECK(message.size() >= kDataHead);
  return get_u64(&message[1]);
}

}  // namespace sallyport::sealed
