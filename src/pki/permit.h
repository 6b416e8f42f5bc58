// The site permit: what a factory may issue. Payload of a signed object of kind "permit".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/names.h"
#include "base/time.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxPermitBytes = 2U << 10U;

struct SitePermit {
  std::uint64_t number = 0;  // of this site's permits, rising
  std::string installation;
  SiteName site;
  DnsName name_space;                        // <site>.factory.<zone>: the suffix of every name it may issue
  std::optional<std::string> serial_prefix;  // serial ids must begin with it
  std::uint64_t count = 0;                   // certificates in all, over every permit: the highest ledger sequence
  UnixTime not_before;                       // issuing may begin
  UnixTime not_after;                        // and ends
  friend bool operator==(const SitePermit&, const SitePermit&) = default;
};

Bytes encode_permit(const SitePermit& permit);
// Errc::malformed also when the namespace is not the site's, the times are reversed or the prefix is no prefix of an
// id.
Result<SitePermit> parse_permit(ByteView payload);

}  // namespace sallyport::pki
