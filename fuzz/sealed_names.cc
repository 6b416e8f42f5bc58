// Names, prefixes, call ids and API keys of sealed RPC: what parses is written the same, and no name leaves its topic.
#include <cstdint>
#include <cstdlib>

#include "sealed/api_key.h"
#include "sealed/names.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  if (const auto node = sealed::parse_node_name(text)) {
    if (node->get() != text || text.find_first_of("/+#$") != std::string_view::npos) std::abort();
    if (sealed::request_topic({}, *node).size() != text.size() + 12) std::abort();
  }
  if (const auto id = sealed::parse_key_id(text)) {
    if (!sealed::parse_node_name(text)) std::abort();
  }
  if (const auto prefix = sealed::parse_topic_prefix(text)) {
    if (prefix->get() != text || text.find("//") != std::string_view::npos) std::abort();
  }
  if (const auto id = sealed::parse_call_id(text)) {
    if (sealed::to_text(*id) != text) std::abort();
  }
  if (const auto key = sealed::parse_api_key(text)) {
    if (!equal(sealed::to_text(*key).expose(), as_bytes(text))) std::abort();
  }
  return 0;
}
