#include "sealed/api_key.h"

#include "codec/text.h"
#include "crypto/hash.h"

namespace sallyport::sealed {
namespace {

constexpr std::string_view kKeyTextMark = "spk1_";
constexpr std::size_t kSecretText = 43;
constexpr std::size_t kCheckBytes = 4;
constexpr std::size_t kCheckText = 6;
// Mark, id, '_', secret, '_', check.
constexpr std::size_t kTailText = 1 + kSecretText + 1 + kCheckText;

std::string check_of(ByteView before) {
  const auto digest = crypto::sha256(before);
  return codec::encode_base64url(ByteView(digest).first(kCheckBytes));
}

std::uint64_t epoch_of(UnixTime now, int periods) {
  return static_cast<std::uint64_t>(now.since_epoch() / kHintPeriod.count() + periods);
}

Hint hint_of(const NodeKey& key, std::uint64_t epoch) {
  const SecretBytes hint_key = crypto::hkdf_sha256(key.expose(), {}, as_bytes("SR1 hint"), 32);
  const auto mac = crypto::hmac_sha256(hint_key.expose(), Writer().u64(epoch).view());
  Hint out{};
  std::copy_n(mac.begin(), out.size(), out.begin());
  return out;
}

}  // namespace

ApiKey draw_api_key(KeyId id, Random& random) {
  auto drawn = random.array<32>();
  ApiKey out{.id = std::move(id), .secret = Secret<32>(drawn)};
  wipe(drawn);
  return out;
}

SecretBytes to_text(const ApiKey& key) {
  std::string secret = codec::encode_base64url(key.secret.expose());
  std::string text = std::string(kKeyTextMark) + key.id.get() + '_' + secret;
  Bytes out = to_bytes(text);
  append(out, as_bytes('_' + check_of(as_bytes(text))));
  wipe({reinterpret_cast<std::uint8_t*>(secret.data()), secret.size()});
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return SecretBytes(std::move(out));
}

Result<ApiKey> parse_api_key(std::string_view text) {
  constexpr std::size_t kShortest = kKeyTextMark.size() + 1 + kTailText;
  constexpr std::size_t kLongest = kKeyTextMark.size() + kMaxKeyId + kTailText;
  if (text.size() < kShortest || text.size() > kLongest)
    return failf(Errc::malformed, "api key: {} characters, want {} to {}", text.size(), kShortest, kLongest);
  if (!text.starts_with(kKeyTextMark))
    return failf(Errc::malformed, "api key: want one that begins with {}", kKeyTextMark);
  const std::string_view before = text.substr(0, text.size() - kCheckText - 1);
  if (text[before.size()] != '_' || text.substr(before.size() + 1) != check_of(as_bytes(before)))
    return fail(Errc::malformed, "api key: its check does not fit: mistyped, or cut short");
  const std::string_view secret_text = before.substr(before.size() - kSecretText);
  const std::string_view id_text =
      before.substr(kKeyTextMark.size(), before.size() - kKeyTextMark.size() - kSecretText);
  if (!id_text.ends_with('_')) return fail(Errc::malformed, "api key: no '_' before its secret");
  TRY(auto id, parse_key_id(id_text.substr(0, id_text.size() - 1)));
  TRY(auto decoded, codec::decode_base64url(secret_text));
  const SecretBytes secret(std::move(decoded));
  TRY(auto whole, Secret<32>::from(secret.expose()));
  return ApiKey{.id = std::move(id), .secret = std::move(whole)};
}

NodeKey derive_node_key(const Secret<32>& secret, const NodeName& node) {
  const SecretBytes derived = crypto::hkdf_sha256(secret.expose(), as_bytes("SR1 node key"), as_bytes(node.get()), 32);
  return NodeKey(derived.expose().first<32>());
}

Hint hint_at(const NodeKey& key, UnixTime now, int periods) {
  return hint_of(key, epoch_of(now, periods));
}

Hint hint_without_clock(const NodeKey& key) {
  return hint_of(key, kNoEpoch);
}

}  // namespace sallyport::sealed
