// Secrets as types: move-only, wiped when they end, compared in constant time, impossible to print.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <fmt/core.h>

#include "base/bytes.h"

namespace sallyport {

// Overwrites `bytes` in a way that the compiler keeps, with a value that is not zero so that use of wiped data shows.
void wipe(std::span<std::uint8_t> bytes);

// Compares without a data-dependent branch. Differing lengths are unequal at once: lengths are not secret here.
bool equal_constant_time(ByteView a, ByteView b);

// A secret of N bytes. Owns them; `expose()` is the one way in, so that every use can be found by that word.
template <std::size_t N>
class Secret {
 public:
  explicit Secret(std::span<const std::uint8_t, N> bytes) { std::ranges::copy(bytes, bytes_.begin()); }
  // Fails with Errc::malformed unless `bytes` has exactly N bytes.
  static Result<Secret> from(ByteView bytes) {
    if (bytes.size() != N) return failf(Errc::malformed, "secret: {} bytes, want {}", bytes.size(), N);
    return Secret(bytes.template first<N>());
  }

  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      wipe(other.bytes_);
    }
    return *this;
  }
  ~Secret() { wipe(bytes_); }

  Secret clone() const { return Secret(expose()); }
  std::span<const std::uint8_t, N> expose() const { return bytes_; }
  bool equals(ByteView other) const { return equal_constant_time(bytes_, other); }

 private:
  std::array<std::uint8_t, N> bytes_;
};

// A secret whose length is known only at run time: a passphrase, a private key's encoding.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(Bytes bytes) : bytes_(std::move(bytes)) {}
  explicit SecretBytes(std::string_view text) : bytes_(to_bytes(text)) {}

  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  ~SecretBytes() { wipe(bytes_); }

  SecretBytes clone() const { return SecretBytes(bytes_); }
  ByteView expose() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  Bytes bytes_;
};

}  // namespace sallyport

template <std::size_t N>
struct fmt::formatter<sallyport::Secret<N>> {
  formatter() = delete;
};
template <>
struct fmt::formatter<sallyport::SecretBytes> {
  formatter() = delete;
};
