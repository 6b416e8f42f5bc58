// Which ways lead out of this network, in which order they are tried and what is known of each: without I/O.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/settings.h"
#include "base/time.h"

namespace sallyport::agent {

// One way to the relay.
struct Way {
  net::Address target;         // the relay's port
  std::optional<Proxy> proxy;  // absent: directly
  bool is_web_socket = false;  // what is said to the target is inside a WebSocket
  // "direct to relay.example:443", "to relay.example:80 through the proxy proxy.example:3128", "… through the SOCKS
  // proxy …", "… by WebSocket". No secret is in it.
  std::string label() const;
};

// Where an attempt ended.
enum class Hurdle : std::uint8_t {
  unreachable,  // no TCP connection to the relay, or to the proxy
  proxy,        // the proxy did not connect, or there was no WebSocket
  inspected,    // somebody between ends TLS with a certificate of his own
  broken,       // the connection ended before TLS was up: cut on the way, or by a relay that is overloaded
};

struct Attempt {
  Hurdle hurdle{};
  std::string detail;
};

enum class WayState : std::uint8_t { untried, works, failed };
std::string_view to_string(WayState state);

struct WayRecord {
  WayState state = WayState::untried;
  std::string error;  // of the last attempt; empty when it led there
  bool is_inspected = false;
  Instant failed_at{};
  unsigned failures = 0;  // in a row
};

// A way that is better than the one in use is tried again this long after it failed, when the next connection is made.
inline constexpr milliseconds kTryBetterAfter{3'600'000};
// A connection that broke says little: on the way that worked, others are tried in its place from this many in a row
// on, so that a fleet does not come twice to a relay that is overloaded.
inline constexpr unsigned kBrokenBeforeOthers = 3;

// One per agent. Not thread-safe.
class Ways {
 public:
  // `remembered` is the label of the way that worked last.
  explicit Ways(const Settings& settings, std::string_view remembered = {});

  // In order of preference: through the proxy before directly, relay_address before its fall-back before
  // a WebSocket.
  const std::vector<Way>& all() const { return ways_; }
  const WayRecord& record(std::size_t way) const { return records_[way]; }
  // The one that worked last. Absent: none has yet.
  std::optional<std::size_t> used() const { return used_; }

  // The order in which to try them now: better ones than the one that worked last where it is time again, that one, the
  // rest. Never empty.
  std::vector<std::size_t> order(Instant now);
  void on_worked(std::size_t way);
  // Whether to try the next one of order() at once.
  bool on_failed(std::size_t way, const Attempt& attempt, Instant now);

 private:
  std::vector<Way> ways_;
  std::vector<WayRecord> records_;
  std::optional<std::size_t> used_;
  std::optional<Instant> began_;
};

}  // namespace sallyport::agent
