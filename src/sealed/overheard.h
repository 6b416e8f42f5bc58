// What somebody who reads at the broker can tell of a message, without a key and with one (docs/protocol/sealed-rpc.md
// §11). For tools that show it; nothing is decided by this.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "sealed/api_key.h"
#include "sealed/body.h"
#include "sealed/messages.h"

namespace sallyport::sealed {

// A message that may be one of ours, as it lies there: nothing of it is verified.
struct Overheard {
  MessageType type = MessageType::init;
  // What it is found by: the hint of INIT, the prekey's id of INIT-CERT, the tag of DATA and REPLY. None of ACCEPT.
  ByteView mark;
  std::size_t sealed_bytes = 0;  // of body, signature and chain, without what sealing adds
};
// "INIT", "INIT-CERT", "ACCEPT", "DATA", "REPLY".
std::string_view to_string(MessageType type);
// Nothing for a message of another kind, or one that is too short for its kind. Borrows the message.
std::optional<Overheard> overhear(ByteView message);

// What who has the key learns of the first message of a session. Later ones are sealed by keys that nobody has but the
// two: a key opens nothing that follows ACCEPT.
struct OpenedInit {
  bool has_clock = true;
  UnixTime time;
  RequestBody body;
  std::string reply_topic;  // where the answers in its session come
};
// `key` is of `node`. Errc::malformed, Errc::unauthorized when another key sealed it or it was changed. The hint is not
// looked at: it is the key that tells.
Result<OpenedInit> open_init(const NodeKey& key, const TopicPrefix& prefix, const NodeName& node, ByteView message);

}  // namespace sallyport::sealed
