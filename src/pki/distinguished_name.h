// X.501 names: compared as bytes, shown through their common name, never an authority for who somebody is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "codec/der.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxNameBytes = 2'048;
inline constexpr std::size_t kMaxCommonName = 64;  // RFC 5280 appendix A.1: ub-common-name

// A DER Name. Two names are equal when their bytes are (stricter than RFC 5280 §7.1 and all that our own CAs need).
class DistinguishedName {
 public:
  // The empty sequence.
  DistinguishedName();
  // O (unless empty) and CN, as UTF8String. Fails with Errc::malformed on more than 64 characters, invalid UTF-8 or
  // control characters.
  static Result<DistinguishedName> of(std::string_view common_name, std::string_view organization = {});
  // Checks the structure (RDNSequence, SET OF, string values) of a name made by anybody.
  static Result<DistinguishedName> parse(ByteView der);

  ByteView der() const { return der_; }
  bool empty() const;
  // The last value of that type as printable text: control characters and what is not UTF-8 become '?'. For people
  // alone.
  std::optional<std::string> common_name() const { return text_of_common_name_; }
  bool has_email_address() const { return has_email_address_; }
  friend bool operator==(const DistinguishedName& a, const DistinguishedName& b) { return equal(a.der_, b.der_); }

 private:
  Bytes der_;
  std::optional<std::string> text_of_common_name_;
  bool has_email_address_ = false;
};

}  // namespace sallyport::pki
