// The CRLs of the online CAs: made anew when what they list has changed, and in time before they end (RFC 5280
// §5).
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "net/task.h"
#include "pki/crl.h"
#include "records/crl_messages.h"
#include "records/database.h"

namespace sallyport::authority {

class Core;

// How often it looks for changes; a revocation is on a list this much later at most, and the promise is ten minutes.
inline constexpr milliseconds kCrlRound{5'000};
inline constexpr seconds kCrlLife{24 * 3600};
// A list is made anew at this age though nothing has changed, so that one which is served has most of its life left.
inline constexpr seconds kCrlRefresh{6 * 3600};
// A certificate that has ended stays on a list this much longer: on one at least that was made after its end (RFC 5280
// §3.3). Those of servers stay for ever.
inline constexpr seconds kEndedStays = kDay;

// A CA that a younger one of its name has replaced has a list of its own until it ends, with the same entries: to
// whoever reads them, the two are one issuer (RFC 5280 §5), whose lists have one sequence of numbers.
//
// Borrows the core for its lifetime. One thread. Of each list only entries and the newest DER are held; after a start
// every list is made anew, under a number that the database has never given before.
class CrlKeeper {
 public:
  explicit CrlKeeper(Core& core) : core_(core) {}

  // Reads what changed and makes the lists that are due. Returns how many were made. A CA that cannot sign does not
  // keep the others from theirs; its error is returned at the end.
  net::Task<Result<std::size_t>> make_due();
  // The same for ever.
  net::Task<void> keep();

  // A part of the newest list of a CA. Errc::not_found: no such CA, or no list yet; Errc::conflict: a portion that it
  // has not.
  Result<records::CrlPortion> portion(const records::CrlRequest& wanted) const;

  // The newest list of a CA in figures.
  struct Made {
    records::CaName ca;
    std::uint64_t number = 0;
    UnixTime this_update;
    UnixTime next_update;
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
  };
  // Of every CA that has one.
  std::vector<Made> made() const;

 private:
  struct Entry {
    pki::RevokedEntry revoked;
    UnixTime not_after;
  };
  struct List {
    std::map<records::CertificateSerial, Entry> entries;
    bool changed = true;
    std::uint64_t number = 0;
    UnixTime made_at;
    std::uint64_t made_entries = 0;  // of them on the newest list
    std::shared_ptr<const Bytes> der;
  };
  using Changes = std::vector<records::CertificateRecord>;

  net::Task<Result<void>> read_changes();
  void take(const records::CertificateRecord& record);
  void begin_lists();
  bool is_due(const records::CaName& ca, const List& list, UnixTime now) const;
  net::Task<Result<std::uint64_t>> next_number(records::CaName ca);
  net::Task<Result<void>> make(records::CaName ca);

  Core& core_;
  std::map<records::CaName, List> lists_;
  std::uint64_t read_to_ = 0;  // the change number up to which lists_ knows everything
};

}  // namespace sallyport::authority
