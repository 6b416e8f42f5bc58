// Topics, names and what controllers tell of themselves: what is read must be written as it was read, and no name has a
// character that means something in a topic.

#include <cstdlib>

#include "sealed/eva_state.h"

using namespace sallyport;
using namespace sallyport::sealed::eva;

namespace {

void want(bool holds) {
  if (!holds) std::abort();
}

void read_topic(const Space& space, std::string_view text) {
  if (const auto topic = parse_controller_topic(space, text)) {
    switch (topic->kind) {
      case ControllerTopic::Kind::request:
        want(request_topic(space, topic->controller) == text);
        break;
      case ControllerTopic::Kind::response:
        want(topic->call_id && response_topic(space, topic->controller, *topic->call_id) == text);
        break;
      case ControllerTopic::Kind::events:
        want(events_topic(space, topic->controller) == text);
        break;
    }
    want(text.find_first_of("+#") == std::string_view::npos);
  }
  if (const auto item = parse_item_topic(space, text)) want(item_topic(space, *item) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  for (const std::string_view space : {"", "s"}) read_topic(parse_space(space).value(), text);
  if (const auto space = parse_space(text)) want(space->get() == text);
  if (const auto controller = parse_controller(text)) want(to_text(*controller) == text);
  if (const auto item = parse_oid(text)) want(to_oid(*item) == text);
  if (const auto id = parse_call_id(text))
    want(id->get() == text && text.find_first_of("/+#$.") == std::string_view::npos);
  if (const auto id = parse_key_id(text)) want(id->get() == text && text.find('|') == std::string_view::npos);
  if (const auto event = parse_server_event(text)) {
    const auto again = parse_server_event(write_server_event(*event));
    want(again && again->from == event->from && again->kind == event->kind && again->time == event->time);
  }
  if (const auto json = codec::parse_json(text)) {
    if (const auto introduction = parse_introduction(*json, ControllerType::uc)) {
      want(parse_introduction(write_introduction(*introduction), ControllerType::uc).value() == *introduction);
    }
  }
  return 0;
}
