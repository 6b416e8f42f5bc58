// Passwords of people: argon2id (RFC 9106) in PHC string format.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"

namespace sallyport::console {

inline constexpr std::size_t kMinPassword = 12;  // bytes
inline constexpr std::size_t kMaxPassword = 1'024;
// RFC 9106 §4: 64 MiB, three passes; one lane, so that a login costs one core.
inline constexpr std::uint32_t kPasswordMemoryKiB = 64U << 10U;
inline constexpr std::uint32_t kPasswordPasses = 3;

// Hashes a new password with a salt of its own. Takes about 0.2 s of a core. Errc::malformed outside the lengths above.
Result<std::string> hash_password(ByteView password, Random& random);

// Errc::unauthorized unless `hash`, as hash_password wrote it, is of this password. As slow as hashing, whatever the
// answer.
Result<void> verify_password(ByteView password, const std::string& hash);

}  // namespace sallyport::console
