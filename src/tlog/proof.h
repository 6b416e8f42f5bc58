// A proof that can be carried and checked anywhere: entry, path, checkpoint (C2SP tlog-proof).
//
//   c2sp.org/tlog-proof@v1
//   extra <base64>               the log entry up to where the certificate begins (encode_entry_head)
//   index <decimal>
//   <base64(hash)> …             from the leaf's sibling on
//   (an empty line)
//   <checkpoint>
#pragma once

#include "tlog/checkpoint.h"
#include "tlog/entry.h"

namespace sallyport::tlog {

inline constexpr std::size_t kMaxProofBytes = 16U << 10U;
inline constexpr std::size_t kMaxProofExtra = 1U << 10U;

struct LogProof {
  Bytes extra;
  std::uint64_t index = 0;
  std::vector<Hash> hashes;
  std::string checkpoint;  // the whole note
  friend bool operator==(const LogProof&, const LogProof&) = default;
};

std::string encode_log_proof(const LogProof& proof);
// Errc::malformed; nothing is verified.
Result<LogProof> parse_log_proof(std::string_view text);

// What a proof of a certificate shows.
struct ProvenCertificate {
  LogEntry entry;
  Checkpoint checkpoint;
};
// Verifies that the log of `key` holds the certificate `der` where the proof says. Errc::unauthorized, Errc::malformed.
Result<ProvenCertificate> verify_log_proof(const LogProof& proof, ByteView der, const NoteKey& key);

}  // namespace sallyport::tlog
