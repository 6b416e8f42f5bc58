// The installation in figures, in Prometheus text format 0.0.4: what a monitor must be told of, and no name of a
// device.
#pragma once

#include <string>
#include <vector>

#include "authority/core.h"
#include "authority/crl_keeper.h"
#include "authority/expiry.h"
#include "authority/status_hosts.h"

namespace sallyport::authority {

// Everything that the figures are made of, at one moment.
struct Figures {
  UnixTime now;
  std::vector<Link> links;
  DeviceCertificates operational;
  DeviceCertificates web;
  std::vector<records::SiteRecord> sites;
  struct Ca {
    std::string name;
    std::uint64_t alive = 0;
    std::uint64_t revoked = 0;
  };
  std::vector<Ca> cas;
  std::vector<StatusHost> status_hosts;
  // The newest CRL of each CA, and of each root under the name of its link.
  std::vector<CrlKeeper::Made> crls;
  std::uint64_t root_crl_number = 0;
  std::uint64_t change_number = 0;
  std::uint64_t devices_online = 0;
  std::uint64_t live_sessions = 0;
};

// Reads them, the fleet on another thread.
net::Task<Result<Figures>> collect_figures(Core& core);
// One sample a line, each family under its HELP and TYPE.
std::string to_prometheus(const Figures& figures);

}  // namespace sallyport::authority
