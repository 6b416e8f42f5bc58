#include "sealed/names.h"

#include <algorithm>

#include "codec/text.h"

namespace sallyport::sealed {
namespace {

constexpr std::size_t kUuidText = 36;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_name_mark(char c) {
  return c == '.' || c == '_' || c == '-';
}

bool is_node_character(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || is_name_mark(c);
}

bool is_key_character(char c) {
  return is_lower_or_digit(c) || is_name_mark(c);
}

Result<void> check_word(std::string_view what, std::string_view text, std::size_t most, bool (*allowed)(char),
                        std::string_view letters) {
  if (text.empty() || text.size() > most)
    return failf(Errc::malformed, "{}: {} characters, want 1 to {}", what, text.size(), most);
  const auto wrong = std::ranges::find_if_not(text, allowed);
  if (wrong != text.end())
    return failf(Errc::malformed, "{}: byte {:#04x} at {}, want {}, digits, '.', '_', '-'", what,
                 static_cast<unsigned char>(*wrong), wrong - text.begin(), letters);
  return {};
}

std::string with_prefix(const TopicPrefix& prefix, std::string_view rest) {
  return prefix.get().empty() ? std::string(rest) : prefix.get() + "/" + std::string(rest);
}

bool is_hyphen_place(std::size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

}  // namespace

Result<NodeName> parse_node_name(std::string_view text) {
  TRY_VOID(check_word("node name", text, kMaxNodeName, is_node_character, "letters"));
  return NodeName(std::string(text));
}

Result<KeyId> parse_key_id(std::string_view text) {
  TRY_VOID(check_word("key id", text, kMaxKeyId, is_key_character, "letters a-z"));
  return KeyId(std::string(text));
}

Result<TopicPrefix> parse_topic_prefix(std::string_view text) {
  if (text.empty()) return TopicPrefix();
  std::size_t levels = 0;
  for (std::string_view rest = text;;) {
    const std::size_t slash = rest.find('/');
    TRY_VOID(check_word("topic prefix", rest.substr(0, slash), kMaxNodeName, is_node_character, "letters"));
    if (++levels > kMaxPrefixLevels)
      return failf(Errc::malformed, "topic prefix: more than {} levels", kMaxPrefixLevels);
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return TopicPrefix(std::string(text));
}

std::string request_topic(const TopicPrefix& prefix, const NodeName& node) {
  return with_prefix(prefix, node.get() + "/api/request");
}

std::string bundle_topic(const TopicPrefix& prefix, const NodeName& node) {
  return with_prefix(prefix, node.get() + "/api/bundle");
}

std::string reply_topic(const TopicPrefix& prefix, const Inbox& inbox) {
  return with_prefix(prefix, "r/" + codec::encode_base64url(inbox));
}

std::string bundle_filter(const TopicPrefix& prefix) {
  return with_prefix(prefix, "+/api/bundle");
}

CallId draw_call_id(UnixTime now, Random& random) {
  auto id = random.array<16>();
  // RFC 9562 §5.7: 48 bits of milliseconds, version 7, variant 10.
  const std::uint64_t milliseconds_now =
      static_cast<std::uint64_t>(std::max<std::int64_t>(now.since_epoch(), 0)) * 1'000;
  for (std::size_t i = 0; i < 6; ++i) id[i] = static_cast<std::uint8_t>(milliseconds_now >> (8 * (5 - i)));
  id[6] = static_cast<std::uint8_t>(0x70U | (id[6] & 0x0FU));
  id[8] = static_cast<std::uint8_t>(0x80U | (id[8] & 0x3FU));
  return CallId(id);
}

std::string to_text(const CallId& id) {
  std::string out = codec::encode_hex(id.get());
  for (const std::size_t place : {8U, 13U, 18U, 23U}) out.insert(place, 1, '-');
  return out;
}

Result<CallId> parse_call_id(std::string_view text) {
  if (text.size() != kUuidText)
    return failf(Errc::malformed, "call id: {} characters, want {}", text.size(), kUuidText);
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool good = is_hyphen_place(i) ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (!good) return failf(Errc::malformed, "call id: byte {:#04x} at {}", static_cast<unsigned char>(c), i);
    if (c != '-') digits += c;
  }
  TRY(const auto bytes, codec::decode_hex(digits));
  std::array<std::uint8_t, 16> id{};
  std::ranges::copy(bytes, id.begin());
  if ((id[6] >> 4U) != 7 || (id[8] >> 6U) != 2)
    return fail(Errc::malformed, "call id: another UUID, want version 7 of RFC 9562");
  return CallId(id);
}

}  // namespace sallyport::sealed
