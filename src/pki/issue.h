// The one way by which a certificate comes into being: fields → to-be-signed bytes → lint → signature.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pki/certificate.h"
#include "pki/profile.h"

namespace sallyport::pki {

// What the record says of a certificate to be made. All else is the profile's and the issuer's.
struct CertificateFields {
  std::string common_name;   // for display; for a person the login, which becomes the URI
  std::string organization;  // may be empty
  std::vector<std::string> dns_names;
  crypto::PublicKey public_key;
  Validity validity;
  SerialNumber serial;                     // drawn, and stored before this is signed
  std::vector<std::string> permitted_dns;  // CAs with NameRule::subtrees alone
  std::vector<std::string> ocsp_urls;      // http:// alone; leaves and CAs, none on roots and OCSP signers
  std::vector<std::string> crl_urls;
  std::vector<std::string> ca_issuer_urls;
  std::optional<crypto::Sha256Digest> next_root_key;  // root and link alone (RFC 8649)
};

// To-be-signed bytes that hold every rule of their profile. Made by prepare() alone; used up by issue().
class LintedCertificate {
 public:
  ByteView tbs() const;
  const SerialNumber& serial() const;
  ProfileId profile() const { return profile_; }
  // The key that must sign.
  const crypto::PublicKey& issuer_key() const { return issuer_key_; }

 private:
  friend Result<LintedCertificate> prepare(const Profile&, const CertificateFields&, const Certificate&, UnixTime);
  friend Result<LintedCertificate> prepare_self_signed(const Profile&, const CertificateFields&, UnixTime);
  friend Result<Bytes> sign_certificate(LintedCertificate&&, crypto::SigningKey&);
  friend Result<Certificate> issue(LintedCertificate&&, crypto::SigningKey&);
  LintedCertificate(ProfileId profile, Certificate unsigned_form, crypto::PublicKey issuer_key)
      : profile_(profile), unsigned_form_(std::move(unsigned_form)), issuer_key_(std::move(issuer_key)) {}
  ProfileId profile_;
  Certificate unsigned_form_;  // with an empty signature, parsed by the strict parser
  crypto::PublicKey issuer_key_;
};

// Returns the validity that begins kBackdating before `now` and lasts `lifetime` from now, cut to what the profile and
// the issuer (null: self-signed) allow.
Validity choose_validity(const Profile& profile, const Certificate* issuer, UnixTime now, seconds lifetime);

// Builds the to-be-signed bytes under `issuer`, parses them again and checks them. Errc::unauthorized names the first
// rule broken: an issuer that is not a CA of the profile's kind or not valid now, another key type, a serial not in
// drawn form, names that are not exactly those of the rule or outside the issuer's namespace, a lifetime too long, not
// beginning about now or outlasting the issuer, fields that the profile does not have.
Result<LintedCertificate> prepare(const Profile& profile, const CertificateFields& fields, const Certificate& issuer,
                                  UnixTime now);
// The same for a root or a twin, which is its own issuer.
Result<LintedCertificate> prepare_self_signed(const Profile& profile, const CertificateFields& fields, UnixTime now);

// Signs: returns the certificate's DER. Fails with Errc::conflict when `key` is not the issuer's, and as
// SigningKey::sign does.
Result<Bytes> sign_certificate(LintedCertificate&& linted, crypto::SigningKey& key);
// The same, parsed.
Result<Certificate> issue(LintedCertificate&& linted, crypto::SigningKey& key);

// The rules of a profile on a certificate that exists already (import, audit). `issuer` null: self-signed.
Result<void> lint(const Profile& profile, const Certificate& certificate, const Certificate* issuer);

// Returns the subject of a CA: "Sallyport <ca name> <installation>".
std::string ca_common_name(std::string_view ca_name, std::string_view installation);

}  // namespace sallyport::pki
