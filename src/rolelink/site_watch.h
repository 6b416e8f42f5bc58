// The eye of the roles that meet devices on the factories: a refused certificate that a factory's CA signed is proof.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "pki/certificate.h"
#include "records/role_messages.h"
#include "records/snapshot.h"

namespace sallyport::rolelink {

// One thread.
class SiteWatch {
 public:
  // The alarm that a refused chain (DER, as the peer sent it) raises against one of the snapshot's sites; absent when
  // it proves nothing (pki/misissuance.h). Its kind is "site.certificate.<reason>", its subject the site.
  std::optional<records::Alarm> judge(const records::SnapshotState& snapshot, std::span<const Bytes> chain);

 private:
  void learn(const records::SnapshotState& snapshot);

  std::vector<records::SnapshotCa> cas_;  // the snapshot's, as they were parsed
  std::vector<std::string> sites_;
  std::vector<pki::Certificate> certificates_;  // one per site
};

}  // namespace sallyport::rolelink
