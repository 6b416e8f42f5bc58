// Which of two control connections of one device stays. A device that lost its network comes back before its old
// connection is known to be dead, so the newer wins; two holders of one key fight, so after a few rounds the older
// stays.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "tunnel/frames.h"

namespace sallyport::tunnel {

// Numbers control connections of a device by arrival; what a connection does is ignored when its generation is not
// current.
using Generation = Strong<std::uint64_t, struct GenerationTag>;

// What to do with a connection that has just sent its HELLO.
enum class Verdict : std::uint8_t {
  admit,            // nobody else is there
  displace,         // admit it and send the incumbent away (GoAwayReason::displaced)
  probe_incumbent,  // ping the incumbent; then on_incumbent_answered() or on_gone() decides
  refuse,           // send it away (GoAwayReason::clone)
};
struct Judgement {
  Verdict verdict = Verdict::admit;
  Generation generation;     // of the newcomer
  bool raise_alarm = false;  // now, once per alarm: two holders of one key
};

// One per device name. One thread.
class DisplacementPolicy {
 public:
  // A newcomer with `boot_id`. More than kMaxAlternations changes of boot id within kAlternationWindow raise the alarm;
  // it holds until kCloneAlarmHold passed without a rival. While it holds a rival has to wait for a probe of the
  // incumbent (one at a time, further ones are refused); the same boot id displaces at once, as ever.
  Judgement on_hello(const BootId& boot_id, Instant now);
  // The probed incumbent answered. Returns the rival that must be refused.
  std::optional<Generation> on_incumbent_answered();
  // A connection closed. Returns the rival that takes its place, when the probed incumbent was the one.
  std::optional<Generation> on_gone(Generation generation);

  std::optional<Generation> current() const;
  bool alarm(Instant now) const { return alarm_until_ && now < *alarm_until_; }
  // Whether nothing is remembered, so that the object may be dropped.
  bool idle(Instant now) const;

 private:
  struct Holder {
    Generation generation;
    BootId boot_id;
  };
  struct Arrival {
    Instant when;
    BootId boot_id;
  };
  bool alternates_too_often(const BootId& boot_id, Instant now);

  std::uint64_t last_generation_ = 0;
  std::optional<Holder> incumbent_;
  std::optional<Holder> rival_;
  std::vector<Arrival> arrivals_;  // kMaxAlternations + 1 at most, oldest first; a deque would hold 600 bytes
  std::optional<Instant> alarm_until_;
};

}  // namespace sallyport::tunnel
