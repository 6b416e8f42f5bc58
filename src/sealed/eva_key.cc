#include "sealed/eva_key.h"

#include "codec/json.h"
#include "crypto/hash.h"

namespace sallyport::sealed::eva {
namespace {

constexpr std::size_t kMostKeyIdBytes = 64;

SecretBytes secret_part(ByteView bytes) {
  return SecretBytes(to_bytes(bytes));
}

}  // namespace

Result<KeyId> parse_key_id(std::string_view text) {
  if (text.empty() || text.size() > kMostKeyIdBytes) {
    return failf(Errc::malformed, "key id: {} bytes, want 1 to {}", text.size(), kMostKeyIdBytes);
  }
  const bool is_printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != '|'; });
  if (!is_printable) return fail(Errc::malformed, "key id: found another character, want printable ASCII without '|'");
  return KeyId(std::string(text));
}

Result<Key> Key::from(KeyId id, std::string_view secret) {
  if (secret.size() < kLeastSecretBytes || secret.size() > kMostSecretBytes) {
    return failf(Errc::malformed, "key: secret of {} bytes, want {} to {}", secret.size(), kLeastSecretBytes,
                 kMostSecretBytes);
  }
  if (!codec::is_utf8(secret)) return fail(Errc::malformed, "key: secret is not UTF-8");
  crypto::Sha512Digest long_digest = crypto::sha512(as_bytes(secret));
  crypto::Sha256Digest short_digest = crypto::sha256(as_bytes(secret));
  const ByteView half = ByteView(long_digest).first(32);
  crypto::CbcKeys binary{.cipher = secret_part(half), .mac = secret_part(half)};
  const ByteView whole(short_digest);
  crypto::CbcKeys fernet{.cipher = secret_part(whole.last(16)), .mac = secret_part(whole.first(16))};
  wipe(long_digest);
  wipe(short_digest);
  return Key(std::move(id), SecretBytes(secret), std::move(binary), std::move(fernet));
}

Key Key::clone() const {
  return {id_, secret_.clone(), binary_.clone(), fernet_.clone()};
}

bool Key::is(std::string_view secret) const {
  return equal_constant_time(secret_.expose(), as_bytes(secret));
}

}  // namespace sallyport::sealed::eva
