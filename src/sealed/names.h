// Names and topics of sealed RPC (docs/protocol/sealed-rpc.md §1).
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/strong.h"
#include "base/time.h"

namespace sallyport::sealed {

inline constexpr std::size_t kMaxNodeName = 64;
inline constexpr std::size_t kMaxKeyId = 32;
inline constexpr std::size_t kMaxPrefixLevels = 4;

// A node: 1 to kMaxNodeName characters a-z A-Z 0-9 . _ -
using NodeName = Strong<std::string, struct NodeNameTag>;
// An API key's id: 1 to kMaxKeyId characters a-z 0-9 . _ -
using KeyId = Strong<std::string, struct KeyIdTag>;
// 1 to kMaxPrefixLevels levels of a node name's grammar, joined by '/', or nothing.
using TopicPrefix = Strong<std::string, struct TopicPrefixTag>;

// Each fails with Errc::malformed, naming the first rule broken.
Result<NodeName> parse_node_name(std::string_view text);
Result<KeyId> parse_key_id(std::string_view text);
Result<TopicPrefix> parse_topic_prefix(std::string_view text);

// Where a session's answers go; who knows neither key cannot tell whose it is.
using Inbox = std::array<std::uint8_t, 16>;

std::string request_topic(const TopicPrefix& prefix, const NodeName& node);
std::string bundle_topic(const TopicPrefix& prefix, const NodeName& node);
std::string reply_topic(const TopicPrefix& prefix, const Inbox& inbox);
// The filter that every node's bundle matches: "[<prefix>/]+/api/bundle".
std::string bundle_filter(const TopicPrefix& prefix);

// A UUIDv7 (RFC 9562 §5.7), drawn by the caller once per call and kept over every repetition.
using CallId = Strong<std::array<std::uint8_t, 16>, struct CallIdTag>;
CallId draw_call_id(UnixTime now, Random& random);
// "0190b1c2-…": lower case, with hyphens.
std::string to_text(const CallId& id);
// Fails with Errc::malformed on anything but that form.
Result<CallId> parse_call_id(std::string_view text);

}  // namespace sallyport::sealed
