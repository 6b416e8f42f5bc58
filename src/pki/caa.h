// CAA records (RFC 8659, RFC 8657): which public CAs may issue for a name, for which account, by which validation.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxCaaTag = 15;       // RFC 8659 §4.1: an octet, of which this many are plenty
inline constexpr std::size_t kMaxCaaValue = 1'024;  // in octets
inline constexpr std::size_t kMaxCaaParameters = 16;

struct CaaRecord {
  bool is_critical = false;
  std::string tag;    // in lower case
  std::string value;  // printable ASCII

  // As in a zone file: 0 issue "ca.example".
  std::string text() const;
};

// RDATA (RFC 8659 §4.1). Total; the text of the error names no name, which the caller knows.
Result<CaaRecord> parse_caa_record(ByteView rdata);

// What an issue or issuewild property says.
struct CaaIssuer {
  struct Parameter {
    std::string tag;  // in lower case
    std::string value;
  };
  std::string domain;  // empty: nobody
  std::vector<Parameter> parameters;
};

// RFC 8659 §4.2.
Result<CaaIssuer> parse_caa_issuer(std::string_view value);

// Why somebody else than the zone's owner could get a certificate for a name under the records that count for it: for
// each hole a sentence that names the record. Without holes each issuer may issue by dns-01 alone, and for one account:
// `account` where given.
std::vector<std::string> find_caa_holes(std::span<const CaaRecord> records, const std::optional<std::string>& account);

}  // namespace sallyport::pki
