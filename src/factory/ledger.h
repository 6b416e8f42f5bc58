// The factory's ledger: what it issued, durable before anything is handed out, whole after any crash.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "factory/ledger_file.h"
#include "keystore/append_file.h"

namespace sallyport::factory {

// Not thread-safe. References that it returns last until the next record.
class Ledger {
 public:
  // Opens or makes the file. Cuts a torn tail, checks the whole chain (Errc::malformed when it is broken), and voids
  // the intents that a crash left without a result.
  static Result<Ledger> open(const std::filesystem::path& path);

  const pki::LedgerHead& head() const { return head_; }
  // In order of sequence, from 1.
  const std::vector<Issued>& issued() const { return issued_; }
  // Null when there is none.
  const Issued* find(const SerialId& serial_id) const;
  const Issued* find_by_key(const crypto::Sha256Digest& spki) const;
  std::size_t voided() const { return voided_; }
  // Whether an intent waits for its result.
  bool has_open_intent() const { return open_intent_.has_value(); }

  // Takes the serial for a certificate that passed its lint. Errc::conflict when serial, serial id or key was used.
  Result<void> record_intent(const Intent& intent);
  // Completes the intent; when it returns, the certificate may be handed out. Errc::conflict unless the entry is the
  // next of the chain and the open intent's.
  Result<void> record_issued(Issued issued);
  // Gives the open intent up; its serial stays used.
  Result<void> record_voided();

 private:
  explicit Ledger(keystore::AppendFile file) : file_(std::move(file)) {}
  Result<void> append(const LedgerRecord& record);
  Result<void> apply(const Intent& intent);
  Result<void> apply(const Issued& issued);
  Result<void> apply(const Voided& voided);
  Result<void> check(const Intent& intent) const;
  Result<void> check(const Issued& issued) const;

  keystore::AppendFile file_;
  pki::LedgerHead head_;
  std::vector<Issued> issued_;
  std::map<std::string, std::size_t, std::less<>> by_serial_id_;
  std::map<crypto::Sha256Digest, std::size_t> by_key_;
  std::set<pki::SerialNumber> serials_;  // all that were ever taken
  std::optional<Intent> open_intent_;
  std::size_t voided_ = 0;
};

}  // namespace sallyport::factory
