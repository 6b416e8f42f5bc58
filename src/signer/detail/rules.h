// The table of what may be signed. What is not in it is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/names.h"
#include "base/time.h"
#include "pki/certificate.h"
#include "pki/signing_request.h"

namespace sallyport::signer {

// Whose key a certificate of a profile is for.
enum class KeyRule : std::uint8_t {
  foreign,  // anybody's but the signer's own
  control,  // the signer's own key of that control kind
  twin,     // the CA's own key
};

// How far the times in a control object or CRL may be from the signer's clock.
inline constexpr seconds kObjectSkew{60};
inline constexpr seconds kCrlSkew{300};
inline constexpr seconds kLongestCrl = 8 * kDay;
inline constexpr seconds kLongestPermit = 731 * kDay;

// A CA that a younger one has replaced has its certificate's serial behind its name, "online-ca@<serial>". It issues
// nothing but its OCSP signers and signs its CRLs.
std::string_view base_name(std::string_view ca);
bool is_replaced(std::string_view ca);

// Returns the key rule of (profile, CA), or Errc::unauthorized when that CA does not issue that profile here.
Result<KeyRule> find_issue_rule(pki::ProfileId profile, std::string_view ca);

// Parse the payload of a control object and check what the signer answers for. Errc::malformed, Errc::unauthorized.
Result<void> check_grant(ByteView payload, UnixTime now);
// Returns the manifest's number.
Result<std::uint64_t> check_snapshot(ByteView payload, UnixTime now);
Result<void> check_permit(ByteView payload, const DnsName& zone, UnixTime now);

// Checks the dates of a CRL. Errc::unauthorized.
Result<void> check_crl(const pki::CrlFields& fields, UnixTime now);

// Checks that a twin says what its CA says: same name, same constraints. Errc::unauthorized.
Result<void> check_twin(const pki::CertificateFields& fields, const pki::Certificate& ca);

}  // namespace sallyport::signer
