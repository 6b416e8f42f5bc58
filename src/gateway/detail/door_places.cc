#include "gateway/detail/door_places.h"

#include "codec/text.h"
#include "crypto/hash.h"

namespace sallyport::gateway {

DoorPlaces::DoorPlaces(DoorLimits limits)
    : handshakes_(limits.handshakes, limits.handshakes_per_source),
      known_handshakes_(limits.known_handshakes, limits.known_handshakes_per_source),
      strangers_(limits.strangers, limits.strangers_per_source),
      certified_(limits.certified, limits.certified_per_certificate) {}

DoorPlaces::Place DoorPlaces::admit_handshake(const std::string& source, Instant now) {
  auto place = handshakes_.admit(source);
  if (place || !known_.contains(source, now)) return place;
  return known_handshakes_.admit(source);
}

DoorPlaces::Place DoorPlaces::admit(const net::PeerInfo& peer, Instant now) {
  const std::string source = net::source_of(peer.address.host);
  if (peer.tls_chain.empty()) return strangers_.admit(source);
  known_.remember(source, now);
  return certified_.admit(codec::encode_hex(crypto::sha256(peer.tls_chain.front())));
}

}  // namespace sallyport::gateway
