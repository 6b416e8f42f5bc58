// Which handshakes were seen, so that none is taken twice (docs/protocol/sealed-rpc.md §7 rule 1).
#pragma once

#include <cstddef>
#include <deque>
#include <set>

#include "base/time.h"
#include "crypto/x25519.h"

namespace sallyport::sealed {

// Bounded. Ordered, not hashed: who may open sessions chooses e, and cannot make looking it up slow by that.
class SeenHandshakes {
 public:
  // `window`: how far the time in a fresh INIT may be from now.
  SeenHandshakes(std::size_t limit, UnixTime started, seconds window)
      : limit_(limit), window_(window), floor_(started + window) {}

  bool contains(const crypto::AgreementPublic& ephemeral) const { return seen_.contains(ephemeral); }
  // Remembers one that is new. Where the table is full the oldest goes, and the floor rises above every time with
  // which that one could have been fresh.
  void insert(const crypto::AgreementPublic& ephemeral, UnixTime now) {
    const auto [place, is_new] = seen_.insert(ephemeral);
    SALLYPORT_CHECK(is_new);
    arrivals_.push_back({.place = place, .at = now});
    if (arrivals_.size() <= limit_) return;
    floor_ = std::max(floor_, arrivals_.front().at + window_);
    seen_.erase(arrivals_.front().place);
    arrivals_.pop_front();
  }
  // Whether an INIT of `time` that is not in the table was never there, and is of now.
  bool is_fresh(UnixTime time, UnixTime now) const {
    return time > floor_ && time <= now + window_ && time >= now - window_;
  }
  std::size_t size() const { return arrivals_.size(); }
  UnixTime floor() const { return floor_; }

 private:
  using Table = std::set<crypto::AgreementPublic>;
  struct Arrival {
    Table::const_iterator place;
    UnixTime at;
  };
  std::size_t limit_;
  seconds window_;
  UnixTime floor_;
  Table seen_;
  std::deque<Arrival> arrivals_;  // oldest first
};

}  // namespace sallyport::sealed
