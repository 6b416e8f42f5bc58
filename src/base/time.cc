#include "base/time.h"

#include <ctime>

namespace sallyport {
namespace {

namespace chrono = std::chrono;

Result<unsigned> digits(std::string_view text, std::size_t at, std::size_t count) {
  unsigned value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9')
      return failf(Errc::malformed, "time: found '{}' at {}, want a digit", static_cast<int>(c), at);
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value;
}

}  // namespace

CivilTime to_civil(UnixTime time) {
  const chrono::sys_seconds point{seconds(time.since_epoch())};
  const auto midnight = chrono::floor<chrono::days>(point);
  const chrono::year_month_day date{midnight};
  const chrono::hh_mm_ss<seconds> clock{point - midnight};
  return {.year = static_cast<int>(date.year()),
          .month = static_cast<unsigned>(date.month()),
          .day = static_cast<unsigned>(date.day()),
          .hour = static_cast<unsigned>(clock.hours().count()),
          .minute = static_cast<unsigned>(clock.minutes().count()),
          .second = static_cast<unsigned>(clock.seconds().count())};
}

Result<UnixTime> from_civil(const CivilTime& civil) {
  const chrono::year_month_day date{chrono::year(civil.year), chrono::month(civil.month), chrono::day(civil.day)};
  if (!date.ok() || civil.year < 0 || civil.year > 9999) {
    return failf(Errc::malformed, "time: no such day as {:04}-{:02}-{:02}", civil.year, civil.month, civil.day);
  }
  if (civil.hour > 23 || civil.minute > 59 || civil.second > 59) {
    return failf(Errc::malformed, "time: no such time as {:02}:{:02}:{:02}", civil.hour, civil.minute, civil.second);
  }
  const chrono::sys_seconds point = chrono::sys_days(date) + chrono::hours(civil.hour) + chrono::minutes(civil.minute) +
                                    chrono::seconds(civil.second);
  return UnixTime(point.time_since_epoch().count());
}

std::string to_iso8601(UnixTime time) {
  const CivilTime civil = to_civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", civil.year, civil.month, civil.day, civil.hour,
                     civil.minute, civil.second);
}

Result<UnixTime> parse_iso8601(std::string_view text) {
  if (text.size() != 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
      text[19] != 'Z') {
    return failf(Errc::malformed, "time: {} characters in another form, want 2026-01-02T03:04:05Z", text.size());
  }
  CivilTime civil;
  TRY(auto year, digits(text, 0, 4));
  civil.year = static_cast<int>(year);
  TRY(civil.month, digits(text, 5, 2));
  TRY(civil.day, digits(text, 8, 2));
  TRY(civil.hour, digits(text, 11, 2));
  TRY(civil.minute, digits(text, 14, 2));
  TRY(civil.second, digits(text, 17, 2));
  return from_civil(civil);
}

UnixTime SystemClock::now() const {
  return UnixTime(chrono::floor<seconds>(chrono::system_clock::now()).time_since_epoch().count());
}

Instant SystemClock::monotonic() const {
  timespec spec{};
  SALLYPORT_CHECK(clock_gettime(CLOCK_BOOTTIME, &spec) == 0);
  return Instant(seconds(spec.tv_sec) + chrono::nanoseconds(spec.tv_nsec));
}

}  // namespace sallyport
