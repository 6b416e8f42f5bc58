#include "tlog/checkpoint.h"

#include <charconv>

#include "codec/text.h"

namespace sallyport::tlog {
namespace {

// The next line of `rest` without its newline.
Result<std::string_view> take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos || end == 0) return fail(Errc::malformed, "checkpoint: a line is missing or empty");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || (text.size() > 1 && text.front() == '0')) {
    return fail(Errc::malformed, "checkpoint: want the size in decimal without leading zeroes");
  }
  return value;
}

}  // namespace

std::string encode_checkpoint(const Checkpoint& checkpoint) {
  std::string out =
      fmt::format("{}\n{}\n{}\n", checkpoint.origin, checkpoint.size, codec::encode_base64(checkpoint.root));
  for (const std::string& line : checkpoint.extensions) out += line + "\n";
  return out;
}

Result<Checkpoint> parse_checkpoint(std::string_view text) {
  Checkpoint out;
  TRY(const auto origin, take_line(text));
  out.origin = origin;
  TRY(const auto size, take_line(text));
  TRY(out.size, parse_size(size));
  TRY(const auto root, take_line(text));
  TRY(const Bytes bytes, codec::decode_base64(root));
  Reader reader(bytes);
  TRY(out.root, reader.array<32>());
  TRY_VOID(reader.finish("checkpoint root"));
  while (!text.empty()) {
    if (out.extensions.size() == kMaxExtensionLines) return fail(Errc::malformed, "checkpoint: too many lines");
    TRY(const auto line, take_line(text));
    out.extensions.emplace_back(line);
  }
  return out;
}

Result<std::string> sign_checkpoint(const Checkpoint& checkpoint, crypto::SigningKey& key) {
  TRY(const auto note, sign_note(encode_checkpoint(checkpoint), checkpoint.origin, key));
  return encode_note(note);
}

Result<Checkpoint> open_checkpoint(std::string_view note, const NoteKey& key) {
  TRY(const auto parsed, parse_note(note));
  TRY_VOID(verify_note(parsed, key));
  TRY(auto out, parse_checkpoint(parsed.text));
  if (out.origin != key.name()) {
    return failf(Errc::unauthorized, "checkpoint: found origin {}, want {}", out.origin, key.name());
  }
  return out;
}

std::string origin_of(std::string_view zone) {
  return std::string(zone) + "/log";
}

}  // namespace sallyport::tlog
