#include "authority/issuance_clock.h"

#include <algorithm>

namespace sallyport::authority {
namespace {

constexpr std::string_view kLatestIssuance = "latest-issuance";

}  // namespace

Result<std::optional<UnixTime>> latest_issuance(records::Records& records) {
  TRY(auto stored, records.find_value(kLatestIssuance));
  if (!stored) return std::optional<UnixTime>();
  Reader reader(*stored);
  TRY(auto time, reader.u64());
  TRY_VOID(reader.finish(kLatestIssuance));
  return std::optional(UnixTime(static_cast<std::int64_t>(time)));
}

Result<void> advance_issuance_clock(records::Records& records, UnixTime now) {
  TRY(auto latest, latest_issuance(records));
  if (latest && now + kClockTolerance < *latest) {
    return failf(Errc::unavailable,
                 "clock: found {}, want {} or later, when the last certificate was recorded: nothing is issued until "
                 "the clock is right",
                 to_iso8601(now), to_iso8601(*latest));
  }
  if (latest && *latest >= now) return {};
  return accept_issuance_clock(records, now);
}

Result<void> accept_issuance_clock(records::Records& records, UnixTime now) {
  return records.put_value(kLatestIssuance, Writer().u64(static_cast<std::uint64_t>(now.since_epoch())).view());
}

}  // namespace sallyport::authority
