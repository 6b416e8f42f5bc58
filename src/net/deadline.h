// When a wait ends with Errc::expired. Every operation that can wait takes one.
#pragma once

#include <chrono>

#include "base/time.h"

namespace sallyport::net {

// A point of the steady clock. Made from a duration it counts from that moment, so `stream.read_some(buffer, 10s)`
// reads well, and one Deadline handed to several operations bounds them together.
class Deadline {
 public:
  Deadline(milliseconds from_now);  // NOLINT(google-explicit-constructor): a duration is a deadline
  Deadline(seconds from_now) : Deadline(milliseconds(from_now)) {}  // NOLINT(google-explicit-constructor)
  // For waits that something else ends: closing, or a peer's own deadline.
  static Deadline never();

  std::chrono::steady_clock::time_point at() const { return at_; }
  bool is_never() const { return at_ == std::chrono::steady_clock::time_point::max(); }
  bool passed() const;
  // Never negative.
  milliseconds remaining() const;
  friend Deadline earlier(Deadline a, Deadline b) { return a.at_ < b.at_ ? a : b; }

 private:
  explicit Deadline(std::chrono::steady_clock::time_point at) : at_(at) {}
  std::chrono::steady_clock::time_point at_;
};

}  // namespace sallyport::net
