// An open session: its keys, the tags of its requests, and sealing and opening (docs/protocol/sealed-rpc.md §4, §5).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/aead_cipher.h"
#include "sealed/detail/noise.h"
#include "sealed/detail/tag_table.h"
#include "sealed/messages.h"

namespace sallyport::sealed {

inline constexpr std::uint32_t kWindow = 64;
inline constexpr std::uint32_t kMaxSessionRequests = 1U << 20U;

struct SessionKeys {
  crypto::AeadKey request;
  crypto::AeadKey reply;
  Secret<32> request_tags;
  Secret<32> reply_tags;
};
SessionKeys derive_session_keys(const NoiseSecrets& secrets);

// Which session of a node a request's tag belongs to, and which request of it.
struct RequestPlace {
  std::uint32_t session = ~std::uint32_t{0};
  std::uint32_t request = 0;
  friend bool operator==(const RequestPlace&, const RequestPlace&) = default;
};
using RequestTable = TagTable<RequestPlace>;

// The contexts of DATA and REPLY towards one node; the last 16 bytes of the latter are a request's tail.
class SessionContext {
 public:
  SessionContext(std::string_view request_topic, const NodeName& node);
  ByteView data() const { return data_; }
  // Valid until the next call.
  ByteView reply_to(const MessageTail& request);

 private:
  Bytes data_;
  Bytes reply_;
};

// The tags of requests, made kBatch at a time. The last kKept that were made can be had again.
class RequestTags {
 public:
  static constexpr std::uint32_t kBatch = 64;
  static constexpr std::uint32_t kKept = 256;
  explicit RequestTags(const Secret<32>& key) : prf_(key) {}
  Tag at(std::uint32_t request);

 private:
  void make_batch();
  crypto::BlockPrf prf_;
  std::array<Tag, kKept> tags_{};
  std::uint32_t made_ = 0;
};

class ReplyTags {
 public:
  explicit ReplyTags(const Secret<32>& key) : prf_(key) {}
  // Those of `out.size()` chunks from `chunk` on, at most kMost.
  static constexpr std::uint32_t kMost = 4;
  void fill(std::uint64_t request, std::uint32_t chunk, std::span<Tag> out);

 private:
  crypto::BlockPrf prf_;
};

// The caller's half.
class CallerSession {
 public:
  explicit CallerSession(const SessionKeys& keys);
  // How many requests it has sealed; the number of the next.
  std::uint32_t requests() const { return next_; }
  // DATA with the next number, into `out` of body.size() + kDataBytes.
  void seal(SessionContext& context, ByteView body, std::span<std::uint8_t> out);
  void reply_tags(std::uint64_t request, std::uint32_t chunk, std::span<Tag> out) {
    reply_tags_.fill(request, chunk, out);
  }
  // A whole REPLY to the request that ended in `tail`.
  Result<Bytes> open_reply(SessionContext& context, std::uint64_t request, std::uint32_t chunk, const MessageTail& tail,
                           ByteView message);

 private:
  crypto::AeadSealer sealer_;
  crypto::AeadOpener opener_;
  RequestTags tags_;
  ReplyTags reply_tags_;
  std::uint32_t next_ = 0;
};

// The node's half. Its tags stand in a table that it shares with others, under `slot`.
class NodeSession {
 public:
  NodeSession(const SessionKeys& keys, RequestTable& table, std::uint32_t slot);
  ~NodeSession();
  NodeSession(const NodeSession&) = delete;
  NodeSession& operator=(const NodeSession&) = delete;

  // Opens a whole DATA that came with the tag of `request`, into `out` of message.size() - kDataBytes. When it opens,
  // its tag is taken and the window moves; else nothing changes.
  bool open(SessionContext& context, std::uint32_t request, ByteView message, std::span<std::uint8_t> out);
  // A whole REPLY. No two with the same request and chunk.
  Bytes seal_reply(SessionContext& context, std::uint64_t request, std::uint32_t chunk, const MessageTail& tail,
                   ByteView body);
  // One above the highest request that was opened.
  std::uint32_t next() const { return next_; }

 private:
  void offer(std::uint32_t request);
  void withdraw(std::uint32_t request);

  crypto::AeadOpener opener_;
  crypto::AeadSealer sealer_;
  RequestTags tags_;
  ReplyTags reply_tags_;
  RequestTable& table_;
  std::uint32_t slot_;
  std::bitset<RequestTags::kKept> offered_;  // by request mod kKept
  std::uint32_t next_ = 0;
};

// The tag of DATA or REPLY, whose length was checked.
Tag read_tag(ByteView message);

}  // namespace sallyport::sealed
