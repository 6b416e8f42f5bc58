// How many strangers are served at once. Pure classes; one per worker and lane; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/names.h"
#include "base/time.h"

namespace sallyport::tunnel {

// `burst` at once, `per_second` in the long run.
class TokenBucket {
 public:
  TokenBucket(std::size_t burst, double per_second);
  // Takes one token; false when there is none.
  bool take(Instant now);
  // Puts `count` tokens in beyond the rate, up to the burst: for answers that were asked for.
  void grant(std::size_t count);

 private:
  double burst_;
  double per_second_;
  double tokens_;
  std::optional<Instant> last_;
};

struct AimdLimits {
  std::size_t least = 8;
  std::size_t most = 1'024;
  std::size_t start = 64;
  milliseconds target{500};       // a handshake that took longer is a sign of congestion
  milliseconds patience{1'000};   // at most one decrease in so long
  milliseconds slow_peer{1'000};  // who is waited for longer than this is no load
};

// The number of handshakes that work is done for: plus one for each window of quick ones, times 0.7 for a slow one.
// Those whose peer keeps us waiting count against `most` alone, so that strangers who stall do not keep others out.
class HandshakeAdmission {
 public:
  explicit HandshakeAdmission(AimdLimits limits = {});
  // Whether another may begin; it counts until one of the next two, which are told when it began. Time does not go
  // back.
  bool begin(Instant now);
  void on_success(Instant began, Instant now);
  // It ended through the peer's fault or at its deadline, which says nothing about load.
  void on_over(Instant began, Instant now);

  std::size_t under_way() const { return fresh_.size() + stalled_; }
  std::size_t window() const { return static_cast<std::size_t>(window_); }

 private:
  void decrease(Instant now);
  void set_aside(Instant now);
  void end(Instant began, Instant now);

  AimdLimits limits_;
  double window_;
  std::deque<Instant> fresh_;  // when each began, earliest first
  std::size_t stalled_ = 0;
  std::optional<Instant> decreased_;
};

// Where a connection comes from, as far as limits are concerned: an IPv4 address, or the /64 of an IPv6 one.
using Source = Strong<std::array<std::uint8_t, 16>, struct SourceTag>;
Source source_of_v4(const std::array<std::uint8_t, 4>& address);
// An IPv4-mapped address (::ffff:a.b.c.d) is the IPv4 one.
Source source_of_v6(const std::array<std::uint8_t, 16>& address);

// Of the 4 or 16 octets of an address; all others, as of who has none, are one source.
Source source_of(ByteView octets);

struct ConnectionCapLimits {
  std::size_t total = 16'384;
  std::size_t per_source = 64;
  std::size_t per_name_and_source = 4;
};

// Counts connections that are not yet anybody: enter() at accept, enter_name() when the hello named a device, and the
// matching leave when the handshake is over. Memory is bounded by `total`.
class ConnectionCaps {
 public:
  explicit ConnectionCaps(ConnectionCapLimits limits = {}) : limits_(limits) {}
  // Each false: over the limit, nothing was counted.
  bool enter(const Source& source);
  void leave(const Source& source);
  bool enter_name(const Source& source, const DnsName& name);
  void leave_name(const Source& source, const DnsName& name);
  std::size_t total() const { return total_; }

 private:
  ConnectionCapLimits limits_;
  std::size_t total_ = 0;
  std::map<Source, std::size_t> sources_;
  std::map<std::pair<DnsName, Source>, std::size_t> names_;
};

}  // namespace sallyport::tunnel
