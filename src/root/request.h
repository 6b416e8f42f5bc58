// What an installation or a factory asks the root to sign: a folder with request.toml and one PKCS#10 file per CA,
// named
// `<ca-name>.csr` with '/' written as '-' ("server-ca.csr", "local-ca-acme.csr"). The requests say nothing but the key;
// what the CA will be follows from the file's name and request.toml, which the operator sees before he agrees.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "pki/profile.h"

namespace sallyport::root {

// request.toml.
struct RequestFacts {
  std::optional<std::string> installation;  // absent: the root's own name
  DnsName zone;
  std::optional<DnsName> console_name;  // must be given for server-ca
  std::optional<SiteName> site;         // must be given for local-ca/<site>, and be that site
  std::optional<std::string> crl_url;   // where the root CRL will be found, http:// alone
};
// `display_name` is what errors call the text. Unknown keys are refused.
Result<RequestFacts> parse_request_facts(std::string_view toml, std::string_view display_name);

// What a CA will be.
struct CaPlan {
  std::string ca_name;  // "local-ca/acme"
  pki::ProfileId profile{};
  std::vector<std::string> permitted_dns;
};
// Returns the plan for a file of that stem ("local-ca-acme"). Errc::unauthorized for anything but a CA below the root;
// Errc::malformed when request.toml lacks what that CA needs.
Result<CaPlan> plan_ca(std::string_view file_stem, const RequestFacts& facts);

// The CA name as a file stem.
std::string file_stem_of(std::string_view ca_name);

}  // namespace sallyport::root
