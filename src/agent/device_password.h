// The password of the device's own pages: unique per device from the factory on, replaced at first login.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "agent/state.h"

namespace sallyport::agent {

inline constexpr std::uint32_t kPasswordIterations = 600'000;
inline constexpr std::size_t kLeastPassword = 10;
inline constexpr std::size_t kMostPassword = 256;

// "abcd-efgh-ijkl": 60 bits of HKDF over the device secret. The same on every call.
std::string default_password(const SecretBytes& device_secret, const SerialId& serial_id);

// What is kept of a chosen password.
struct PasswordVerifier {
  std::uint32_t iterations = kPasswordIterations;
  Bytes salt;
  Bytes hash;
};
Bytes encode_password_verifier(const PasswordVerifier& verifier);
// Errc::malformed, also on iterations that would take minutes.
Result<PasswordVerifier> parse_password_verifier(ByteView bytes);

enum class PasswordMatch : std::uint8_t { wrong, is_default, chosen };

// Pure functions over a copy of what the folder holds, so that they can run on another thread.
class DevicePassword {
 public:
  // Reads the folder. Errors as those of the files.
  static Result<DevicePassword> load(const AgentState& state);

  bool is_default() const { return !verifier_.has_value(); }
  // Slow unless the default password is in force: for run_blocking.
  PasswordMatch check(std::string_view typed) const;
  // Makes the file of a chosen password; slow. Errc::malformed when it is too short, too long or the default one.
  Result<Bytes> make_file(std::string_view chosen, Bytes salt) const;

 private:
  std::string default_;
  std::optional<PasswordVerifier> verifier_;
};
inline constexpr std::string_view kPasswordFile = "password";
inline constexpr std::size_t kPasswordSalt = 16;

}  // namespace sallyport::agent
