#include "tunnel/displacement.h"

#include <utility>

#include "tunnel/limits.h"

namespace sallyport::tunnel {

bool DisplacementPolicy::alternates_too_often(const BootId& boot_id, Instant now) {
  std::erase_if(arrivals_, [now](const Arrival& one) { return now - one.when >= kAlternationWindow; });
  // Arrivals of one boot id in a row are one: the fight is in the changes.
  if (!arrivals_.empty() && arrivals_.back().boot_id == boot_id) {
    arrivals_.back().when = now;
  } else {
    arrivals_.push_back({.when = now, .boot_id = boot_id});
  }
  if (arrivals_.size() <= kMaxAlternations + 1) return false;
  bool returned = false;
  for (std::size_t i = 0; i < arrivals_.size(); ++i) {
    for (std::size_t j = i + 1; j < arrivals_.size(); ++j)
      returned = returned || arrivals_[i].boot_id == arrivals_[j].boot_id;
  }
  arrivals_.erase(arrivals_.begin());
  return returned;
}

Judgement DisplacementPolicy::on_hello(const BootId& boot_id, Instant now) {
  Judgement out{.generation = Generation(++last_generation_)};
  const bool held = alarm(now);
  if (alternates_too_often(boot_id, now)) {
    out.raise_alarm = !held;
    alarm_until_ = now + kCloneAlarmHold;
  } else if (!held) {
    alarm_until_.reset();
  }
  const Holder newcomer{.generation = out.generation, .boot_id = boot_id};
  if (!incumbent_) {
    incumbent_ = newcomer;
    return out;
  }
  if (incumbent_->boot_id == boot_id || !alarm(now)) {
    incumbent_ = newcomer;
    out.verdict = Verdict::displace;
    return out;
  }
  alarm_until_ = now + kCloneAlarmHold;
  if (rival_) {
    out.verdict = Verdict::refuse;
    return out;
  }
  rival_ = newcomer;
  out.verdict = Verdict::probe_incumbent;
  return out;
}

std::optional<Generation> DisplacementPolicy::on_incumbent_answered() {
  if (!rival_) return std::nullopt;
  return std::exchange(rival_, std::nullopt)->generation;
}

std::optional<Generation> DisplacementPolicy::on_gone(Generation generation) {
  if (rival_ && rival_->generation == generation) {
    rival_.reset();
    return std::nullopt;
  }
  if (!incumbent_ || incumbent_->generation != generation) return std::nullopt;
  incumbent_ = std::exchange(rival_, std::nullopt);
  return current();
}

std::optional<Generation> DisplacementPolicy::current() const {
  return incumbent_ ? std::optional(incumbent_->generation) : std::nullopt;
}

bool DisplacementPolicy::idle(Instant now) const {
  const bool remembers = !arrivals_.empty() && now - arrivals_.back().when < kAlternationWindow;
  return !incumbent_ && !rival_ && !remembers && !alarm(now);
}

}  // namespace sallyport::tunnel
