#include "sealed/eva_text.h"

#include "codec/text.h"

namespace sallyport::sealed::eva {

using codec::Json;

namespace {

constexpr std::uint8_t kFernetVersion = 0x80;
constexpr std::size_t kFernetHead = 9;  // version and time
constexpr std::string_view kSucceeded = "200|";
constexpr std::string_view kRaised = "500|";
constexpr std::size_t kMostCallIdBytes = 64;

bool is_call_id_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
}

// Padding is part of a token (github.com/fernet/spec), and of one spelling.
Result<Bytes> decode_token(std::string_view token) {
  if (token.size() % 4 != 0) return failf(Errc::malformed, "fernet: {} characters, want a multiple of 4", token.size());
  const std::size_t padding = token.size() - (token.find_last_not_of('=') + 1);
  if (padding > 2) return fail(Errc::malformed, "fernet: more padding than there can be");
  return codec::decode_base64url(token.substr(0, token.size() - padding));
}

}  // namespace

Result<CallId> parse_call_id(std::string_view text) {
  if (text.empty() || text.size() > kMostCallIdBytes) {
    return failf(Errc::malformed, "call id: {} bytes, want 1 to {}", text.size(), kMostCallIdBytes);
  }
  if (!std::ranges::all_of(text, is_call_id_character)) {
    return fail(Errc::malformed, "call id: found another character, want 0-9 A-Z a-z _ -");
  }
  return CallId(std::string(text));
}

CallId call_id_of(const RequestId& id) {
  return CallId(codec::encode_hex(id));
}

std::string seal_token(const crypto::CbcKeys& keys, UnixTime now, const crypto::CbcIv& iv, ByteView plain) {
  const Bytes head = Writer().u8(kFernetVersion).u64(static_cast<std::uint64_t>(now.since_epoch())).take();
  Bytes whole = head;
  append(whole, crypto::cbc_seal(keys, head, iv, plain));
  std::string out = codec::encode_base64url(whole);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

Result<Token> open_token(std::string_view token, const crypto::CbcKeys& keys, UnixTime now) {
  TRY(const Bytes bytes, decode_token(token));
  Reader reader(bytes);
  TRY(const std::uint8_t version, reader.u8());
  if (version != kFernetVersion) return failf(Errc::malformed, "fernet: version {}, want {}", version, kFernetVersion);
  TRY(const std::uint64_t made, reader.u64());
  const ByteView block = reader.rest();
  TRY(SecretBytes plain, crypto::cbc_open(keys, ByteView(bytes).first(kFernetHead), block));
  if (made > static_cast<std::uint64_t>(kNoExpiry.since_epoch())) return fail(Errc::expired, "fernet: time beyond all");
  Token out{.made = UnixTime(static_cast<std::int64_t>(made)), .plain = std::move(plain)};
  const seconds age = now - out.made;
  if (age > kTokenLife || age < -kTokenLife) {
    return failf(Errc::expired, "fernet: {} s old, want at most {} either way", age.count(), kTokenLife.count());
  }
  std::ranges::copy(block.last(crypto::kCbcTagBytes), out.tag.begin());
  return out;
}

Result<TextRequest> parse_text_request(std::string_view payload) {
  if (!payload.starts_with('|')) return fail(Errc::malformed, "eva request: want '|' at its beginning");
  const std::size_t end = payload.find('|', 1);
  if (end == std::string_view::npos) return fail(Errc::malformed, "eva request: key id without an end");
  TextRequest out{.key_id = payload.substr(1, end - 1), .token = payload.substr(end + 1)};
  TRY_VOID(parse_key_id(out.key_id));
  if (out.token.empty()) return fail(Errc::malformed, "eva request: no token");
  return out;
}

Result<OpenedTextRequest> open_text_request(const TextRequest& request, const Key& key, UnixTime now,
                                            const Limits& limits) {
  TRY(const Token token, open_token(request.token, key.fernet(), now));
  const std::string_view plain = as_text(token.plain.expose());
  const std::size_t end = plain.find('|');
  if (end == std::string_view::npos) return fail(Errc::malformed, "eva request: call id without an end");
  TRY(CallId call_id, parse_call_id(plain.substr(0, end)));
  TRY(Json body, codec::parse_json(plain.substr(end + 1), limits.body));
  return OpenedTextRequest{
      .call_id = std::move(call_id), .made = token.made, .tag = token.tag, .body = std::move(body)};
}

std::string seal_text_request(const Key& key, const CallId& call_id, const Body& body, UnixTime now,
                              const crypto::CbcIv& iv) {
  const SecretBytes plain(call_id.get() + "|" + body.to_json());
  return "|" + key.id().get() + "|" + seal_token(key.fernet(), now, iv, plain.expose());
}

std::string seal_text_response(const Key& key, const Body& body, UnixTime now, const crypto::CbcIv& iv) {
  return std::string(kSucceeded) + seal_token(key.fernet(), now, iv, as_bytes(body.to_json()));
}

Result<Json> open_text_response(std::string_view payload, const Key& key, UnixTime now, const Limits& limits) {
  if (payload.size() > limits.message) return failf(Errc::overloaded, "eva response: {} bytes", payload.size());
  if (!payload.starts_with(kSucceeded)) return fail(Errc::malformed, "eva response: want 200| at its beginning");
  TRY(const Token token, open_token(payload.substr(kSucceeded.size()), key.fernet(), now));
  return codec::parse_json(as_text(token.plain.expose()), limits.body);
}

bool is_unsealed_failure(ByteView payload) {
  return as_text(payload) == kRaised;
}

}  // namespace sallyport::sealed::eva
