#include "span_text.h"

#include <fmt/format.h>

namespace sallyport::cli {

std::string span_text(seconds span) {
  const seconds length = span < seconds(0) ? -span : span;
  if (length < minutes(2)) return fmt::format("{} s", length.count());
  if (length < hours(2)) return fmt::format("{} min", length / minutes(1));
  if (length < 2 * kDay) return fmt::format("{} h", length / hours(1));
  return fmt::format("{} d", length / kDay);
}

std::string when_text(UnixTime time, UnixTime now) {
  if (time == now) return "now";
  return time < now ? span_text(now - time) + " ago" : "in " + span_text(time - now);
}

}  // namespace sallyport::cli
