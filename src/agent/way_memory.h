// What an agent remembers of the ways out of the networks that it was in: the file ways-out of its folder. Nothing of
// it is a secret or decides about trust: whoever alters it makes connections slower.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "tunnel/keepalive.h"

namespace sallyport::agent {

inline constexpr std::size_t kMaxWayMemory = 16U << 10U;
inline constexpr std::size_t kMaxNetworks = 16;
inline constexpr std::size_t kMaxWayText = 640;

// One way out of one network.
struct NetworkMemory {
  std::string network;  // "10.0.3.0/24 direct to relay.example:443"
  tunnel::PingInterval::Learnt ping;
  bool is_sealed = false;  // data connections get through inside TLS alone
  friend bool operator==(const NetworkMemory&, const NetworkMemory&) = default;
};

struct WayMemory {
  std::string way;                      // that worked last; empty: none did
  std::vector<NetworkMemory> networks;  // the newest first

  // The entry of `network`, made where there is none, in the first place; the oldest over kMaxNetworks is forgotten.
  NetworkMemory& enter(std::string_view network);
  friend bool operator==(const WayMemory&, const WayMemory&) = default;
};

std::string encode_way_memory(const WayMemory& memory);
// Errc::malformed.
Result<WayMemory> parse_way_memory(ByteView bytes);

// The network of an own address: its first 24 bits, 64 of an IPv6 address; "10.0.3.0/24". Empty when it is no address.
std::string network_of(const std::string& own_address);

}  // namespace sallyport::agent
