// What the authority knows of its own installation: names, CA certificates, root CRL.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pki/certificate.h"
#include "pki/crl.h"
#include "pki/verify.h"
#include "records/database.h"
#include "records/installation_values.h"
#include "records/snapshot.h"

namespace sallyport::authority {

// A value, reloaded whenever a CA or the root CRL changes.
class Installation {
 public:
  // Reads everything from the records. Errc::not_found names what init has not written yet; Errc::malformed what does
  // not parse.
  static Result<Installation> load(records::Records& records);

  const records::InstallationFacts& facts() const { return facts_; }
  const pki::Certificate& root() const { return root_.front(); }
  // The root alone, in the form that verification takes.
  std::span<const pki::Certificate> anchors() const { return root_; }
  // The certificate of a CA that is in use: an online one, or a site's that is not revoked. Errc::not_found otherwise.
  Result<pki::Certificate> ca(const records::CaName& name) const;
  const std::map<records::CaName, pki::Certificate>& cas() const { return cas_; }
  ByteView root_crl_der() const { return root_crl_der_; }
  // The root CRL, checked against the root at `now`.
  pki::Verdict<pki::VerifiedCrl> root_crl(UnixTime now) const;

  // URLs that certificates carry: OCSP of any CA, CRL of one CA.
  std::string ocsp_url() const;
  std::string crl_url(const records::CaName& ca) const;

 private:
  records::InstallationFacts facts_;
  std::vector<pki::Certificate> root_;
  std::map<records::CaName, pki::Certificate> cas_;
  Bytes root_crl_der_;
};

// The name of a CA as a file name: "local-ca/site-07" becomes "local-ca-site-07".
std::string file_name(const records::CaName& ca);

}  // namespace sallyport::authority
