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
  // The newest root.
  const pki::Certificate& root() const { return roots_.front(); }
  // Every root that is trusted, newest first, and the links that lead from one to the next.
  std::span<const pki::Certificate> anchors() const { return roots_; }
  std::span<const pki::Certificate> root_links() const { return links_; }
  // Those links that anybody follows at once.
  std::span<const pki::Certificate> newest_links() const;
  // Roots that were trusted once. For whoever judges the log, and for nothing else.
  std::span<const pki::Certificate> retired_roots() const { return retired_roots_; }
  // The certificate of a CA that is in use: an online one, the one it has replaced, or a site's that is not revoked.
  // Errc::not_found otherwise.
  Result<pki::Certificate> ca(const records::CaName& name) const;
  // The CA among them that issued `leaf`, by name and key identifier.
  Result<pki::Certificate> issuer_of(const pki::Certificate& leaf) const;
  // The name of a CA that is in use.
  Result<records::CaName> name_of(const pki::Certificate& ca) const;
  // What a server shows after its own certificate and its CA, so that whoever knows an older root follows to the
  // newest; nothing before the first rollover.
  std::vector<pki::Certificate> trust_path() const;
  const std::map<records::CaName, pki::Certificate>& cas() const { return cas_; }
  // CAs that a younger one has replaced.
  const std::map<records::CaName, pki::Certificate>& older_cas() const { return older_cas_; }
  // The newest root's CRL.
  ByteView root_crl_der() const { return root_crl_ders_.front(); }
  const std::vector<Bytes>& root_crl_ders() const { return root_crl_ders_; }
  Result<std::vector<pki::Crl>> read_root_crls() const;
  // The root CRLs that are good at `now`. crl_stale or crl_unusable when none is.
  pki::Verdict<std::vector<pki::VerifiedCrl>> root_crls(UnixTime now) const;

  // URLs that certificates carry: OCSP of any CA, CRL of one CA. What carries one finds there a list that its own
  // issuer has signed, for as long as that is in use: a CA that has replaced another has its key identifier in the URL,
  // and the name alone leads to the list of the oldest (docs/adr/0016-replaced-cas.md).
  std::string ocsp_url() const;
  std::string crl_url(const records::CaName& ca) const;

 private:
  Result<void> load_older(records::Records& records);

  records::InstallationFacts facts_;
  std::vector<pki::Certificate> roots_;
  std::vector<pki::Certificate> links_;
  std::vector<pki::Certificate> retired_roots_;
  std::map<records::CaName, pki::Certificate> cas_;
  std::map<records::CaName, pki::Certificate> older_cas_;
  std::vector<Bytes> root_crl_ders_;
};

// Puts down the CRLs of the roots, one for each and the newest root's first; where there is none the newest root's
// stays.
Result<void> keep_root_crls(records::Records& records, std::span<const std::optional<pki::Crl>> crls);

// The name of a CA as a file name: "local-ca/site-07" becomes "local-ca-site-07".
std::string file_name(const records::CaName& ca);

}  // namespace sallyport::authority
