#include "base/secret.h"

namespace sallyport {

void wipe(std::span<std::uint8_t> bytes) {
  volatile std::uint8_t* target = bytes.data();
  for (std::size_t i = 0; i < bytes.size(); ++i) target[i] = 0xA5;
}

bool equal_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    wipe(bytes_);
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
  }
  return *this;
}

}  // namespace sallyport
