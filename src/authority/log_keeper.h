// Keeps the transparency log: hashes what was committed, has its head signed, and answers with proofs (ADR 0008).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/task.h"
#include "net/timer.h"
#include "pki/certificate.h"
#include "pki/signing_request.h"
#include "records/database.h"
#include "tlog/checkpoint.h"
#include "tlog/tile.h"

namespace sallyport::authority {

class Core;

// How long an answer waits for the checkpoint that its proof leads to.
inline constexpr milliseconds kCheckpointPatience{3'000};
// The log is signed at most this often when nobody waits for it.
inline constexpr milliseconds kCheckpointInterval{1'000};
// The action of the audit entry when the signer says that the log fell or forked, and the alarm's kind.
inline constexpr std::string_view kLogAlarmAction = "log.alarm";
inline constexpr std::string_view kLogAlarmKind = "log.set-back";

// A checkpoint as it was signed.
struct SignedHead {
  std::string note;
  std::uint64_t size = 0;
};

// A proof of one certificate, and the certificate of the key that signed its checkpoint.
struct CertificateProof {
  std::string proof;  // tlog/proof.h
  Bytes key_certificate;
  std::uint64_t index = 0;  // of its entry
  std::uint64_t size = 0;   // of the log that the checkpoint is the head of
};

// One thread. Borrows the core for its lifetime.
class LogKeeper {
 public:
  LogKeeper(Core& core, net::Executor executor);
  LogKeeper(const LogKeeper&) = delete;
  LogKeeper& operator=(const LogKeeper&) = delete;
  // A round that is under way ends at its next step.
  ~LogKeeper() { *alive_ = false; }

  // Something was committed: the log may have grown. Begins a round unless one is under way.
  void changed();
  // Returns the newest checkpoint once it covers everything committed before this call. Errc::conflict when the signer
  // says that the log fell or forked; Errc::expired at the deadline.
  net::Task<Result<SignedHead>> until_signed(net::Deadline deadline);
  // The proof that this certificate is in the log. Errc::not_found when it is not; else as until_signed.
  net::Task<Result<CertificateProof>> prove(Bytes certificate, net::Deadline deadline);

  // The newest checkpoint; absent before the first.
  const std::optional<SignedHead>& head() const { return head_; }
  // Why the last round did not end with a checkpoint; absent when it did.
  const std::optional<Error>& fault() const { return fault_; }
  // Reads tiles of hashes and bundles of entries of a log of at least the head's size. Errc::not_found.
  Result<Bytes> read_tile(const tlog::Tile& tile) const;
  // The certificate of the checkpoint key. Errc::not_found before there is one.
  Result<pki::Certificate> key_certificate() const;

 private:
  using Alive = std::shared_ptr<const bool>;
  net::Task<void> rounds(Alive alive);
  // Raises the alarm that the log was set back, once until it is signed again.
  net::Task<void> raise_alarm(Alive alive, std::string detail);
  // Each ends with Errc::unavailable once the keeper is gone.
  net::Task<Result<void>> one_round(Alive alive);
  Result<void> load();
  net::Task<Result<void>> hash_entries(Alive alive);
  net::Task<Result<SignedHead>> sign(Alive alive, std::uint64_t size);
  // The order for the head of `size`, with the proof that it continues the first `continues` entries.
  Result<pki::SignCheckpoint> draft(std::uint64_t size, std::uint64_t continues) const;

  Core& core_;
  net::Executor executor_;
  net::Event progress_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::optional<SignedHead> head_;
  std::optional<Error> fault_;
  bool alarmed_ = false;  // the log was set back, and that was told
  bool loaded_ = false;
  bool complete_ = false;  // what was recorded before there was a log is in it
  bool running_ = false;
  bool again_ = false;
  std::size_t waiting_ = 0;
  std::uint64_t rounds_done_ = 0;
};

// Reads tiles in the transaction of `records`.
tlog::ReadTile tile_reader(records::Records& records);

}  // namespace sallyport::authority
