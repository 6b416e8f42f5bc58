// The CRLs that the role `status` hands out: the newest of each CA that was verified, and no other (RFC 5280 §5).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/time.h"
#include "pki/crl.h"
#include "records/certificate_record.h"
#include "records/snapshot.h"

namespace sallyport::status {

// What is handed out, as it came. An immutable value; copies share the bytes.
struct ServedCrl {
  std::uint64_t number = 0;
  std::shared_ptr<const Bytes> der;
  std::string etag;  // quoted
  UnixTime next_update;
};

// Under what names lists are asked for: "<ca>-<key identifier>" that of any CA whose key the signer holds, "<ca>" that
// of the oldest of the name, whose certificates know no other (authority::Installation::crl_url).
using ListNames = std::map<std::string, records::CaName, std::less<>>;
ListNames name_lists(const std::vector<records::SnapshotCa>& cas);

// Not thread-safe.
class CrlShelf {
 public:
  // Puts a list in the place of the one before, at once and whole. Fails, and keeps what there was, when it does not
  // parse, is not signed by `issuer`, is not in date, or its number is not above the one at hand.
  Result<void> put(const records::CaName& ca, const pki::Certificate& issuer, Bytes der, UnixTime now);
  // Null where there is none. It may have ended meanwhile: who takes it sees its nextUpdate.
  const ServedCrl* find(const records::CaName& ca) const;
  std::uint64_t number_of(const records::CaName& ca) const;
  const std::map<records::CaName, ServedCrl>& lists() const { return lists_; }

 private:
  std::map<records::CaName, ServedCrl> lists_;
};

}  // namespace sallyport::status
