#include "authority/renewal_windows.h"

#include <algorithm>

namespace sallyport::authority {
namespace {

using records::CertificateRecord;
using records::RenewalWindow;

struct Asked {
  UnixTime at;
  seconds spread{};
};

std::string value_name(const RenewalScope& scope) {
  if (const auto* ca = std::get_if<records::CaName>(&scope)) return "renewal/ca/" + ca->get();
  return "renewal/site/" + std::get<SiteName>(scope).get();
}

Result<std::optional<Asked>> find_asked(records::Records& records, const RenewalScope& scope) {
  TRY(const auto value, records.find_value(value_name(scope)));
  if (!value) return std::nullopt;
  Reader reader(*value);
  TRY(const auto at, reader.u64());
  TRY(const auto spread, reader.u32());
  TRY_VOID(reader.finish("renewal order"));
  return Asked{UnixTime(static_cast<std::int64_t>(at)), seconds(spread)};
}

// Moves the window to the earlier of itself and what was asked for after the certificate was recorded. Within the same
// second nobody knows which came first, and one renewal more hurts less than one that is missing.
void hurry(RenewalWindow& window, const CertificateRecord& record, const Asked& asked) {
  if (record.recorded_at > asked.at) return;
  window.start = std::min(window.start, asked.at);
  window.end = std::min(window.end, asked.at + asked.spread);
}

Result<RenewalWindow> find_window(records::Records& records, const CertificateRecord& record,
                                  const records::DeviceRecord& device) {
  RenewalWindow window = usual_window(record.not_before, record.not_after);
  for (const RenewalScope& scope : {RenewalScope(record.ca), RenewalScope(device.site)}) {
    TRY(const auto asked, find_asked(records, scope));
    if (asked) hurry(window, record, *asked);
  }
  if (device.renew_asked) hurry(window, record, {*device.renew_asked, kRenewAtOnce});
  return window;
}

}  // namespace

Result<void> ask_renewal(records::Records& records, const RenewalScope& scope, UnixTime now, seconds spread) {
  SALLYPORT_CHECK(spread > seconds(0) && spread <= kMaxRenewalSpread);
  const Bytes value = Writer()
                          .u64(static_cast<std::uint64_t>(now.since_epoch()))
                          .u32(static_cast<std::uint32_t>(spread.count()))
                          .take();
  return records.put_value(value_name(scope), value);
}

RenewalWindow usual_window(UnixTime not_before, UnixTime not_after) {
  const seconds lifetime = not_after - not_before;
  return {not_before + lifetime / 3 * 2 - lifetime / 10, not_before + lifetime / 3 * 2 + lifetime / 10};
}

Result<records::RenewalWindows> find_renewal_windows(records::Records& records, const records::FindCertificate& shown) {
  const Error unknown{Errc::not_found, "renewal windows: no such operational certificate"};
  TRY(const auto operational, records.certificates().find(shown.ca, shown.serial));
  if (!operational || operational->kind != records::CertificateKind::operational ||
      operational->state != records::CertificateState::issued)
    return std::unexpected(unknown);
  TRY(const auto name, parse_device_name(operational->subject));
  TRY(const auto device, records.devices().find_by_name(name));
  if (!device) return std::unexpected(unknown);
  records::RenewalWindows out;
  TRY(out.operational, find_window(records, *operational, *device));
  TRY(const auto webs, records.certificates().list_by_subject(records::CertificateKind::web, name.get()));
  const auto web = std::ranges::find(webs, records::CertificateState::issued, &CertificateRecord::state);
  if (web != webs.end()) {
    TRY(out.web, find_window(records, *web, *device));
  }
  return out;
}

}  // namespace sallyport::authority
