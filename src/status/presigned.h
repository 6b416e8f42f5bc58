// What a status host hands to its keyless edges: answers that are signed already, and what they are judged by
// (docs/operate/edges.md). Nothing in it is secret, and nothing in it is believed: whoever takes it verifies every
// piece from the root.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "records/snapshot.h"

namespace sallyport::status {

inline constexpr std::size_t kMaxPresignedBytes = 8U << 20U;
inline constexpr std::size_t kMaxPresignedAnswers = 4'096;
inline constexpr std::size_t kMaxPresignedCas = 128;

struct PresignedList {
  records::CaName ca;
  std::uint64_t number = 0;  // of its newest CRL
  friend bool operator==(const PresignedList&, const PresignedList&) = default;
};

struct Presigned {
  std::vector<records::SnapshotCa> cas;  // those with a delegate
  std::vector<Bytes> root_crls;          // DER, of every root
  std::vector<Bytes> answers;            // OCSP responses without a nonce, DER
  std::vector<PresignedList> lists;      // CRLs that can be had at /crl/
};

// Fields: 1 CA (name length u8, name, DER), 2 root CRL, 3 answer, 4 list (name length u8, name, number u64); each
// repeated.
Bytes encode_presigned(const Presigned& presigned);
// Errc::malformed on anything else, and beyond the limits above.
Result<Presigned> parse_presigned(ByteView bytes);

}  // namespace sallyport::status
