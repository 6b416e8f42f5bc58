// How a CRL comes from the authority to the role `status`: asked for in parts, since one of a million entries is larger
// than a frame.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "records/certificate_record.h"

namespace sallyport::records {

inline constexpr std::size_t kCrlPortionSize = 1U << 20U;

struct CrlRequest {
  CaName ca;
  std::uint64_t have_number = 0;  // of the list that is at hand; 0: none
  std::uint32_t index = 0;        // of the portion
};
// A part of the newest list. Without portions: nothing newer than what was at hand.
struct CrlPortion {
  std::uint64_t number = 0;  // of the list that this is a part of
  std::uint32_t count = 0;   // portions of it
  Bytes bytes;
};

Bytes encode(const CrlRequest& message);
Bytes encode(const CrlPortion& message);
// Errc::malformed unless they are exactly one message. Of a portion also when it is larger than kCrlPortionSize.
Result<CrlRequest> parse_crl_request(ByteView fields);
Result<CrlPortion> parse_crl_portion(ByteView fields);

}  // namespace sallyport::records
