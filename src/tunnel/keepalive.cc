#include "tunnel/keepalive.h"

#include <algorithm>

namespace sallyport::tunnel {
namespace {
constexpr unsigned kAnswersToGrow = 10;
}

void PingInterval::on_answered() {
  if (++answered_ < kAnswersToGrow) return;
  answered_ = 0;
  current_ = std::min(current_ + seconds(1), kMaxPingInterval);
}

void PingInterval::on_lost() {
  answered_ = 0;
  current_ = std::max(current_ / 2, kMinPingInterval);
}

}  // namespace sallyport::tunnel
