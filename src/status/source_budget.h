// How many live signatures the addresses of one network may ask for (per /24 or /56).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/time.h"

namespace sallyport::status {

inline constexpr double kSourceAnswersPerSecond = 100;
inline constexpr double kSourceBurst = 400;
inline constexpr std::size_t kMaxSources = 65'536;

// The network that an address counts for: the first 24 bits of IPv4, 56 of IPv6; the text itself when it is no address.
std::string source_network(std::string_view address);

// A token bucket per network, in bounded memory. Not thread-safe.
class SourceBudget {
 public:
  // Takes one token of the network of `address`; false when it has none, or when too many networks ask at once.
  bool take(std::string_view address, Instant now);

 private:
  struct Bucket {
    double tokens = kSourceBurst;
    Instant refilled;
  };
  void forget_full(Instant now);

  std::map<std::string, Bucket> buckets_;
};

}  // namespace sallyport::status
