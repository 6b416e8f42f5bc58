#include "codec/pem.h"

#include <algorithm>

#include "base/secret.h"
#include "codec/text.h"

namespace sallyport::codec {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kLineLength = 64;
constexpr std::size_t kMaxLabel = 64;

// Cuts the next line off `text`; LF or CRLF ends it.
std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Text that may be a private key's: wiped when it ends, allocated once so that no copy stays behind.
class WipedText {
 public:
  explicit WipedText(std::string text) : text_(std::move(text)) {}
  explicit WipedText(std::size_t capacity) { text_.reserve(capacity); }
  ~WipedText() { wipe({reinterpret_cast<std::uint8_t*>(text_.data()), text_.size()}); }
  WipedText(const WipedText&) = delete;
  WipedText& operator=(const WipedText&) = delete;
  const std::string& get() const { return text_; }
  void append(std::string_view more) { text_ += more; }

 private:
  std::string text_;
};

// RFC 7468 §3: label characters are %x21-2C / %x2E-%7E, single spaces or hyphens between them.
bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabel) return false;
  bool separator = true;
  for (const char c : label) {
    const bool is_separator = c == ' ' || c == '-';
    if (c < 0x20 || c > 0x7E || (is_separator && separator)) return false;
    separator = is_separator;
  }
  return !separator;
}

Result<std::string> parse_begin(std::string_view line) {
  line.remove_prefix(kBegin.size());
  if (!line.ends_with(kDashes)) return fail(Errc::malformed, "pem: BEGIN line without its five dashes");
  line.remove_suffix(kDashes.size());
  if (!is_label(line)) return fail(Errc::malformed, "pem: bad label");
  return std::string(line);
}

// RFC 7468 §3, strict: every line but the last has exactly 64 characters.
Result<PemBlock> parse_block(std::string label, std::string_view& text) {
  const std::string want_end = std::string(kEnd) + label + std::string(kDashes);
  WipedText base64(text.size());
  std::size_t last_length = kLineLength;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    if (line.starts_with("-----")) {
      if (line != want_end) return fail(Errc::malformed, "pem: the block does not end with its own label");
      auto content = decode_base64(base64.get());
      if (!content) return std::unexpected<Error>(std::move(content).error().at("pem"));
      if (content->empty()) return fail(Errc::malformed, "pem: empty block");
      return PemBlock{.label = std::move(label), .content = *std::move(content)};
    }
    if (line.find(':') != std::string_view::npos) return fail(Errc::malformed, "pem: headers in the block");
    if (line.empty() || line.size() > kLineLength || last_length != kLineLength) {
      return failf(Errc::malformed, "pem: line of {} characters after one of {}, want 64 in all but the last",
                   line.size(), last_length);
    }
    last_length = line.size();
    base64.append(line);
  }
  return fail(Errc::malformed, "pem: the block does not end");
}

}  // namespace

Result<std::vector<PemBlock>> parse_pem(std::string_view text) {
  if (text.size() > kMaxPemText)
    return failf(Errc::malformed, "pem: {} bytes, want at most {}", text.size(), kMaxPemText);
  std::vector<PemBlock> out;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    if (line.starts_with(kEnd)) return fail(Errc::malformed, "pem: END without BEGIN");
    if (!line.starts_with(kBegin)) continue;
    TRY(std::string label, parse_begin(line));
    TRY(PemBlock block, parse_block(std::move(label), text));
    out.push_back(std::move(block));
  }
  return out;
}

Result<Bytes> parse_single_pem(std::string_view text, std::string_view label) {
  TRY(auto blocks, parse_pem(text));
  if (blocks.size() != 1) return failf(Errc::malformed, "pem: {} blocks, want one {}", blocks.size(), label);
  if (blocks[0].label != label) return failf(Errc::malformed, "pem: another label, want {}", label);
  return std::move(blocks[0].content);
}

std::string encode_pem(std::string_view label, ByteView content) {
  SALLYPORT_CHECK(is_label(label) && !content.empty());
  const WipedText text(encode_base64(content));
  const std::string& base64 = text.get();
  std::string out;
  out.reserve(base64.size() + base64.size() / kLineLength + 2 * (kMaxLabel + kBegin.size() + kDashes.size()));
  out += fmt::format("-----BEGIN {}-----\n", label);
  for (std::size_t i = 0; i < base64.size(); i += kLineLength) {
    out.append(base64, i, kLineLength);
    out += '\n';
  }
  out += fmt::format("-----END {}-----\n", label);
  return out;
}

}  // namespace sallyport::codec
