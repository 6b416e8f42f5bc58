// Whether somebody else could get a publicly trusted certificate for our names, as the DNS tells it (ADR 0024).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/names.h"
#include "net/address.h"

namespace sallyport::cli {

struct CaaQuestion {
  std::vector<DnsName> names;
  std::optional<std::string> account;      // the ACME account that alone may get certificates; absent: any one account
  std::optional<net::Address> dns_server;  // IPv4; absent: the resolver of this machine
};

struct CaaFinding {
  DnsName name;
  bool is_good = false;
  std::string detail;  // what was found, what is wanted, which record to publish
};

// Looks each name up, and its parents until one has CAA records (RFC 8659 §3). Names that no public CA issues for are
// good unasked. Waits for a few seconds where no server answers.
std::vector<CaaFinding> check_caa(const CaaQuestion& question);

}  // namespace sallyport::cli
