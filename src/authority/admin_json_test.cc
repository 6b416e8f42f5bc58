#include "authority/admin_json.h"

#include <gtest/gtest.h>

namespace sallyport::authority {
namespace {

using records::RevocationReason;

TEST(RevocationReasons, AreReadAsTheRfcAndAsTheCommandLineWritesThem) {
  for (const auto& [as_option, reason] :
       {std::pair("unspecified", RevocationReason::unspecified),
        std::pair("key-compromise", RevocationReason::key_compromise),
        std::pair("ca-compromise", RevocationReason::ca_compromise),
        std::pair("affiliation-changed", RevocationReason::affiliation_changed),
        std::pair("superseded", RevocationReason::superseded),
        std::pair("cessation-of-operation", RevocationReason::cessation_of_operation)}) {
    EXPECT_EQ(parse_revocation_reason(as_option), reason);
    EXPECT_EQ(parse_revocation_reason(to_string(reason)), reason);
  }
  EXPECT_EQ(to_string(RevocationReason::key_compromise), "keyCompromise");
  for (const char* other :
       {"", "keycompromise", "KeyCompromise", "certificateHold", "certificate-hold", "key-compromise "})
    EXPECT_FALSE(parse_revocation_reason(other)) << other;
}

}  // namespace
}  // namespace sallyport::authority
