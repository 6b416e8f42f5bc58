// Topic names and topic filters of MQTT (MQTT 5 §4.7), each a type that is checked at the edge and never again.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/strong.h"

namespace sallyport::mqtt {

// The standard allows 65,535 bytes; a topic of ours has a prefix, a node and a short word.
inline constexpr std::size_t kMaxTopicBytes = 1'024;
inline constexpr std::size_t kMaxTopicLevels = 64;

// What is published to: 1 to kMaxTopicBytes bytes of UTF-8 without wildcard, NUL or other control character.
using Topic = Strong<std::string, struct TopicTag>;
// What is subscribed to: the same, where a level may be '+' and the last one '#'. Shared subscriptions are none of
// ours.
using TopicFilter = Strong<std::string, struct TopicFilterTag>;

// Errc::malformed against MQTT's grammar, Errc::overloaded above one of the two limits. The text is not in the error.
Result<Topic> parse_topic(std::string_view text);
Result<TopicFilter> parse_topic_filter(std::string_view text);

// Whether a message to `topic` belongs to `filter`. A wildcard at the beginning does not stand for a level that begins
// with '$' (MQTT 5 §4.7.2).
bool matches(const TopicFilter& filter, const Topic& topic);

}  // namespace sallyport::mqtt
