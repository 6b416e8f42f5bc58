// The authority inside this process, for commands while no role runs: the same decisions over the same records, with
// the signer beside it on a socket of its own. The caller holds the lock of the state folder.
#pragma once

#include <memory>

#include "authority/issuance.h"
#include "codec/json.h"
#include "command.h"
#include "installation_folder.h"
#include "pki/certificate.h"
#include "records/database.h"
#include "records/role_messages.h"

namespace sallyport::cli {

class OfflineAuthority {
 public:
  // Errc::not_found before init was complete. `environment` must outlive it.
  static Result<std::unique_ptr<OfflineAuthority>> open(const InstallationPaths& paths, Environment& environment);
  ~OfflineAuthority();
  OfflineAuthority(const OfflineAuthority&) = delete;
  OfflineAuthority& operator=(const OfflineAuthority&) = delete;

  records::RecordDatabase& database();
  // Each runs the event loop until its answer is there.
  Result<codec::Json> administer(records::AdminRequest request);
  Result<pki::Certificate> issue(authority::IssueOrder order);

 private:
  struct State;
  explicit OfflineAuthority(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::cli
