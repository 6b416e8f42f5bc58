// X.501 names: compared as bytes or by the rules of RFC 5280 §7.1, shown through their common name, never an authority
// for who somebody is.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "codec/der.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxNameBytes = 2'048;
inline constexpr std::size_t kMaxCommonName = 64;  // RFC 5280 appendix A.1: ub-common-name

// A DER Name. Two names are equal when their bytes are (all that our own CAs need); matches() is RFC 5280 §7.1.
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
  // The values of emailAddress attributes, printable as of common_name().
  const std::vector<std::string>& email_addresses() const { return email_addresses_; }

  // Whether the names are the same by RFC 5280 §7.1: the same attributes in the same order, the order within one
  // relative name apart; text of any string type without regard to the case of ASCII letters and to runs of spaces.
  // Other characters are compared as they are, as OpenSSL does too.
  bool matches(const DistinguishedName& other) const;
  // The bytes by which matches() compares; names that match have the same, and those of a name are a prefix of those of
  // the names within it.
  Bytes canonical() const;
  // The name with one more relative name (a whole SET element) at its end. Errc::malformed as parse().
  Result<DistinguishedName> with_relative(ByteView relative) const;
  // "CN=leaf, O=Example" in the order of the encoding; attribute types without a short name as dotted OIDs. Printable.
  std::string text() const;
  friend bool operator==(const DistinguishedName& a, const DistinguishedName& b) { return equal(a.der_, b.der_); }

 private:
  Bytes der_;
  std::optional<std::string> text_of_common_name_;
  std::vector<std::string> email_addresses_;
};

}  // namespace sallyport::pki
