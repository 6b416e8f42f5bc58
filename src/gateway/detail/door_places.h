// How many connections the gateway has at once, and whose.
#pragma once

#include <optional>
#include <string>

#include "base/time.h"
#include "net/admissions.h"
#include "net/known_sources.h"
#include "net/stream.h"

namespace sallyport::gateway {

// In all, and per source (net::source_of) or certificate. A flood of one kind takes no place of another: whoever shakes
// hands is gone after kHandshakeLimit, and counts with the certified ones or the strangers from then on.
struct DoorLimits {
  std::size_t handshakes = 2'048, handshakes_per_source = 256;
  // Beside these, for sources from which a device came within kKnownDeviceSourceLife: a fleet that stands behind one
  // address comes back at once.
  std::size_t known_handshakes = 8'192, known_handshakes_per_source = 2'048;
  std::size_t strangers = 256, strangers_per_source = 32;  // who showed no certificate
  // Whoever has a certificate answers for what it does, wherever it comes from. The total is for the memory.
  std::size_t certified = 65'536, certified_per_certificate = 32;
};
inline constexpr seconds kKnownDeviceSourceLife = 30 * kDay;
inline constexpr std::size_t kMaxKnownDeviceSources = 100'000;

// One thread. Places may outlive it.
class DoorPlaces {
 public:
  using Place = std::optional<net::Admissions::Place>;

  explicit DoorPlaces(DoorLimits limits);

  // For a handshake with `source`; absent when there are too many.
  Place admit_handshake(const std::string& source, Instant now);
  // For `peer`, after its handshake in which its certificate, if it showed one, was verified; absent when there are too
  // many.
  Place admit(const net::PeerInfo& peer, Instant now);

 private:
  net::Admissions handshakes_;
  net::Admissions known_handshakes_;
  net::Admissions strangers_;
  net::Admissions certified_;
  net::KnownSources known_{kMaxKnownDeviceSources, kKnownDeviceSourceLife};
};

}  // namespace sallyport::gateway
