#include "tunnel/keepalive.h"

#include <algorithm>

namespace sallyport::tunnel {
namespace {
constexpr unsigned kAnswersToGrow = 10;
constexpr unsigned kMostPatience = 32;
}  // namespace

PingInterval::PingInterval(const Learnt& learnt) {
  learnt_.ceiling = std::clamp(learnt.ceiling, kMinPingInterval, kMaxPingInterval);
  learnt_.current = std::clamp(learnt.current, kMinPingInterval, learnt_.ceiling);
}

void PingInterval::on_answered() {
  ++answered_;
  if (learnt_.current < learnt_.ceiling) {
    if (answered_ < kAnswersToGrow) return;
    answered_ = 0;
    learnt_.current += seconds(1);
    return;
  }
  if (learnt_.ceiling == kMaxPingInterval) {
    answered_ = 0;
  } else if (answered_ >= patience_ * kAnswersToForget) {
    answered_ = 0;
    learnt_.ceiling += seconds(1);
    learnt_.current = learnt_.ceiling;
  }
}

void PingInterval::on_lost() {
  answered_ = 0;
  const bool at_ceiling = learnt_.current == learnt_.ceiling && learnt_.ceiling < kMaxPingInterval;
  if (at_ceiling) patience_ = std::min(2 * patience_, kMostPatience);
  learnt_.ceiling = std::max(std::min(learnt_.ceiling, learnt_.current - seconds(1)), kMinPingInterval);
  learnt_.current = std::clamp(learnt_.current / 2, kMinPingInterval, learnt_.ceiling);
}

}  // namespace sallyport::tunnel
