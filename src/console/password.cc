#include "console/password.h"

#include <argon2.h>

#include <array>

namespace sallyport::console {
namespace {

constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kHashSize = 32;
constexpr std::uint32_t kLanes = 1;
constexpr std::size_t kMaxEncoded = 256;

}  // namespace

Result<std::string> hash_password(ByteView password, Random& random) {
  if (password.size() < kMinPassword || password.size() > kMaxPassword) {
    return failf(Errc::malformed, "password: found {} bytes, want {} to {}", password.size(), kMinPassword,
                 kMaxPassword);
  }
  const auto salt = random.array<kSaltSize>();
  std::array<char, kMaxEncoded> encoded{};
  const int status =
      ::argon2id_hash_encoded(kPasswordPasses, kPasswordMemoryKiB, kLanes, password.data(), password.size(),
                              salt.data(), salt.size(), kHashSize, encoded.data(), encoded.size());
  if (status != ARGON2_OK) return failf(Errc::internal, "password: {}", ::argon2_error_message(status));
  return std::string(encoded.data());
}

Result<void> verify_password(ByteView password, const std::string& hash) {
  if (password.size() > kMaxPassword || hash.size() >= kMaxEncoded) return fail(Errc::unauthorized, "password: wrong");
  if (::argon2id_verify(hash.c_str(), password.data(), password.size()) == ARGON2_OK) return {};
  return fail(Errc::unauthorized, "password: wrong");
}

}  // namespace sallyport::console
