// Topics and filters: what is accepted is accepted again, a topic is a filter that matches itself, and no text matches
// by reading past its end.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "mqtt/topic.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = as_text(ByteView(data, size));
  const auto split = text.find('\n');
  const auto filter = mqtt::parse_topic_filter(text.substr(0, split));
  const auto topic = mqtt::parse_topic(split == std::string_view::npos ? text : text.substr(split + 1));
  if (topic) {
    const auto itself = mqtt::parse_topic_filter(topic->get());
    if (itself && !mqtt::matches(*itself, *topic)) std::abort();
    if (!itself && !topic->get().starts_with("$share/")) std::abort();
    const auto everything = mqtt::parse_topic_filter("#");
    if (mqtt::matches(*everything, *topic) == topic->get().starts_with('$')) std::abort();
  }
  if (filter && topic) static_cast<void>(mqtt::matches(*filter, *topic));
  return 0;
}
