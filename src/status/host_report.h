// What a status host tells the authority of itself (records/status_report.h).
#pragma once

#include <string>

#include "records/snapshot.h"
#include "records/status_report.h"
#include "status/crl_shelf.h"
#include "status/responder.h"

namespace sallyport::status {

// What a report is made of. Borrows all of it.
struct HostState {
  const records::SnapshotState& state;
  const Responder& responder;
  const CrlShelf& crls;
  std::uint64_t repeated = 0;  // answers out of memory that the responder was not asked for again
};

// A name that is none (records::is_host_name) becomes "unnamed".
records::StatusReport report_of(const std::string& host, UnixTime counting_since, const HostState& of);

}  // namespace sallyport::status
