// What a status host tells the authority of itself every few seconds, for the people who watch (docs/adr/0018): which
// state it answers from, by which keys, and what it has been asked. Nothing is decided by it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "records/certificate_record.h"

namespace sallyport::records {

inline constexpr std::size_t kMaxHostName = 64;
inline constexpr std::size_t kMaxStatusSigners = 128;  // online CAs, and those that they have replaced
inline constexpr std::size_t kMaxStatusCounts = 16;    // of answers, and of refusals
inline constexpr std::size_t kMaxCountKind = 32;
inline constexpr std::size_t kMaxReportedCa = 128;  // bytes of a CA's name
// Of whatever is counted or numbered: what a browser can tell apart.
inline constexpr std::uint64_t kMaxReportedNumber = std::uint64_t{1} << 53U;

// How often something happened since `counting_since`. Kinds are words in lower case with hyphens; a status role of
// another version may count others.
struct StatusCount {
  std::string kind;
  std::uint64_t count = 0;
  friend bool operator==(const StatusCount&, const StatusCount&) = default;
};

struct StatusReport {
  std::string host;  // the machine's name
  std::uint64_t snapshot_number = 0;
  UnixTime snapshot_issued_at;
  UnixTime counting_since;
  std::vector<StatusCount> answers;
  std::vector<StatusCount> refusals;

  // The key that it answers with about the certificates of a CA.
  struct Signer {
    CaName ca;
    CertificateSerial serial;
    UnixTime not_before;
    UnixTime not_after;
    UnixTime renews_at;  // when it means to ask for the next
    friend bool operator==(const Signer&, const Signer&) = default;
  };
  std::vector<Signer> signers;

  // The CRL of a CA that it hands out.
  struct ServedCrl {
    CaName ca;
    std::uint64_t number = 0;
    UnixTime next_update;
    friend bool operator==(const ServedCrl&, const ServedCrl&) = default;
  };
  std::vector<ServedCrl> crls;

  friend bool operator==(const StatusReport&, const StatusReport&) = default;
};

// A name that may stand in a report: 1 to kMaxHostName letters, digits, '.', '-' and '_'.
bool is_host_name(std::string_view text);

Bytes encode(const StatusReport& report);
// Errc::malformed unless it is exactly one report within the limits, each kind and each CA once.
Result<StatusReport> parse_status_report(ByteView fields);

}  // namespace sallyport::records
