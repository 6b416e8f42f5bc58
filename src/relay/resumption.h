// Resumptions: a device that has been here comes back with a key that was agreed on then, in place of its certificate
// (docs/protocol/tunnel.md §10). What it needs to be known again by is sealed in the identity that it shows, under keys
// that all workers share.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "base/random.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "crypto/tls.h"
#include "net/descriptor.h"
#include "relay/device_check.h"

namespace sallyport::relay {

inline constexpr seconds kResumptionLife{12 * 3600};
inline constexpr seconds kResumptionKeyTurn{6 * 3600};
inline constexpr std::size_t kResumptionKeys = 3;  // so that a ticket's key outlives it
static_assert(kResumptionKeyTurn * (kResumptionKeys - 1) >= kResumptionLife);

// Room for the keys: id[8] | key[32] | made u64 (seconds since 1970), newest first; an id of zeros is none.
inline constexpr std::size_t kResumptionKeysBytes = kResumptionKeys * 48;
// Makes it in memory that goes with its last descriptor, of a size that cannot change. Errc::unavailable.
Result<net::Descriptor> make_resumption_memory();

// What is sealed in an identity.
struct Resumption {
  crypto::Psk key;
  DeviceCertificate certificate;
};

// One per worker, one thread. Borrows clock and random for its lifetime.
class ResumptionKeys {
 public:
  // Keys are in `memory`, which several workers share; one of them `turns` them. Without an open descriptor they are
  // this object's own, and it turns them. `anchors` are the roots under which devices are verified: under others
  // nothing can be opened.
  ResumptionKeys(net::Descriptor memory, bool turns, std::span<const pki::Certificate> anchors, const Clock& clock,
                 Random& random);

  // The identity for a device; absent before there is a key.
  std::optional<Bytes> seal(const Resumption& resumption) const;
  // Errc::unauthorized for what was not sealed under a key that is still there and these roots; Errc::expired.
  Result<Resumption> open(ByteView identity) const;
  // Draws a new key where it is time, or looks whether somebody did. To be called every few seconds.
  void on_round();
  // Another process turns them from now on.
  void stop_turning() { turns_ = false; }

 private:
  struct Key {
    std::array<std::uint8_t, 8> id{};
    crypto::AeadKey key;
    UnixTime made;
  };
  void load();
  void turn();
  void store() const;
  Bytes associated_data(const Key& key) const;

  net::Descriptor memory_;
  bool turns_;
  crypto::Sha256Digest anchors_;
  const Clock& clock_;
  Random& random_;
  std::vector<Key> keys_;  // newest first
};

}  // namespace sallyport::relay
