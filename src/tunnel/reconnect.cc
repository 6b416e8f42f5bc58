#include "tunnel/reconnect.h"

#include <algorithm>

#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

milliseconds draw(milliseconds least, milliseconds most, Random& random) {
  if (most <= least) return least;
  const auto width = static_cast<std::uint64_t>((most - least).count()) + 1;
  return least + milliseconds(static_cast<std::int64_t>(random.below(width)));
}

}  // namespace

milliseconds Backoff::on_lost(std::optional<GoAwayFrame> go_away, Instant now, Random& random) {
  if (connected_ && now - *connected_ >= limits_.stable) last_ = limits_.least;
  connected_.reset();
  if (go_away && go_away->come_back_in > milliseconds(0)) {
    const milliseconds told = std::min(go_away->come_back_in, kMaxComeBackIn);
    return draw(told, told + told / 10, random);
  }
  last_ = std::min(draw(limits_.least, std::min(3 * last_, limits_.most), random), limits_.most);
  return last_;
}

milliseconds draw_come_back_in(std::size_t devices, std::size_t handshakes_per_second, Random& random) {
  SALLYPORT_CHECK(handshakes_per_second > 0);
  constexpr milliseconds kLeast{1'000};
  const std::size_t seconds_needed =
      std::min<std::size_t>(devices / handshakes_per_second, static_cast<std::size_t>(kMaxComeBackIn / seconds(1)));
  return draw(kLeast, std::min(kLeast + seconds(seconds_needed), kMaxComeBackIn), random);
}

}  // namespace sallyport::tunnel
