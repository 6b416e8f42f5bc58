#include "agent/device_password.h"

#include <algorithm>

#include "codec/text.h"
#include "codec/tlv.h"
#include "crypto/hash.h"
#include "crypto/password.h"
#include "keystore/file.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kDefaultCharacters = 12;
constexpr std::size_t kDefaultBytes = 8;
constexpr std::size_t kGroup = 4;
constexpr std::size_t kHashSize = 32;
constexpr std::uint32_t kMostIterations = 10'000'000;
constexpr std::size_t kMaxFile = 1'024;

// People type the default one with or without hyphens, in any case.
std::string canonical(std::string_view typed) {
  std::string out;
  for (const char c : typed) {
    if (c == '-' || c == ' ') continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

}  // namespace

std::string default_password(const SecretBytes& device_secret, const SerialId& serial_id) {
  const SecretBytes derived = crypto::hkdf_sha256(device_secret.expose(), as_bytes(serial_id.get()),
                                                  as_bytes("sallyport default password v1"), kDefaultBytes);
  const std::string text = codec::encode_base32(derived.expose()).substr(0, kDefaultCharacters);
  return text.substr(0, kGroup) + "-" + text.substr(kGroup, kGroup) + "-" + text.substr(2 * kGroup);
}

Bytes encode_password_verifier(const PasswordVerifier& verifier) {
  codec::TlvWriter out;
  out.u32(1, verifier.iterations).bytes(2, verifier.salt).bytes(3, verifier.hash);
  return out.take();
}

Result<PasswordVerifier> parse_password_verifier(ByteView bytes) {
  codec::TlvReader reader(bytes, "password file");
  PasswordVerifier out;
  TRY(out.iterations, reader.u32(1));
  TRY(const auto salt, reader.bytes(2));
  TRY(const auto hash, reader.bytes(3));
  TRY_VOID(reader.finish());
  if (out.iterations == 0 || out.iterations > kMostIterations || salt.size() != kPasswordSalt ||
      hash.size() != kHashSize) {
    return fail(Errc::malformed, "password file: iterations or sizes out of range");
  }
  out.salt = to_bytes(salt);
  out.hash = to_bytes(hash);
  return out;
}

Result<DevicePassword> DevicePassword::load(const AgentState& state) {
  DevicePassword out;
  TRY(const auto secret, state.device_secret());
  out.default_ = default_password(secret, state.settings().serial_id);
  const auto file = keystore::read_secret_file(state.file(kPasswordFile), kMaxFile);
  if (file) {
    TRY(out.verifier_, parse_password_verifier(file->expose()));
  } else if (file.error().code != Errc::not_found) {
    return std::unexpected(file.error());
  }
  return out;
}

PasswordMatch DevicePassword::check(std::string_view typed) const {
  if (typed.size() > kMostPassword) return PasswordMatch::wrong;
  if (!verifier_) {
    const bool same = equal_constant_time(as_bytes(canonical(typed)), as_bytes(canonical(default_)));
    return same ? PasswordMatch::is_default : PasswordMatch::wrong;
  }
  const SecretBytes hash = crypto::pbkdf2_sha256(as_bytes(typed), verifier_->salt, verifier_->iterations, kHashSize);
  return equal_constant_time(hash.expose(), verifier_->hash) ? PasswordMatch::chosen : PasswordMatch::wrong;
}

Result<Bytes> DevicePassword::make_file(std::string_view chosen, Bytes salt) const {
  if (chosen.size() < kLeastPassword || chosen.size() > kMostPassword)
    return failf(Errc::malformed, "password: want {} to {} characters", kLeastPassword, kMostPassword);
  if (canonical(chosen) == canonical(default_)) return fail(Errc::malformed, "password: want another than the default");
  const SecretBytes hash = crypto::pbkdf2_sha256(as_bytes(chosen), salt, kPasswordIterations, kHashSize);
  return encode_password_verifier(
      {.iterations = kPasswordIterations, .salt = std::move(salt), .hash = to_bytes(hash.expose())});
}

}  // namespace sallyport::agent
