// The Online Certificate Status Protocol on both sides (RFC 6960, RFC 9654 nonces, RFC 5019 shape).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "pki/certificate.h"
#include "pki/crl.h"
#include "pki/reason.h"
#include "pki/time_rule.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxOcspRequestBytes = 4U << 10U;
inline constexpr std::size_t kMaxOcspResponseBytes = 16U << 10U;
inline constexpr std::size_t kMaxCertIds = 8;
inline constexpr std::size_t kMaxNonce = 128;      // RFC 9654 §2.1
inline constexpr std::size_t kOcspNonceSize = 32;  // what our clients send

enum class CertIdHash : std::uint8_t { sha1, sha256 };

// RFC 6960 §4.1.1.
struct CertId {
  CertIdHash hash = CertIdHash::sha256;
  Bytes issuer_name_hash;
  Bytes issuer_key_hash;
  SerialNumber serial;
  friend bool operator==(const CertId&, const CertId&) = default;
};
CertId make_cert_id(CertIdHash hash, const Certificate& issuer, const SerialNumber& serial);

struct OcspRequest {
  std::vector<CertId> ids;  // 1 to kMaxCertIds
  std::optional<Bytes> nonce;
};
// Errc::malformed: also a nonce of 0 or over 128 octets, a hash other than SHA-1 and SHA-256, an unknown critical
// extension. A requestor's name and signature are skipped.
Result<OcspRequest> parse_ocsp_request(ByteView der);
Bytes encode_ocsp_request(const OcspRequest& request);

// RFC 6960 §4.2.1. The values are the standard's.
enum class OcspResponseStatus : std::uint8_t {
  successful = 0,
  malformed_request = 1,
  internal_error = 2,
  try_later = 3,
  sig_required = 5,
  unauthorized = 6,
};

struct GoodStatus {
  friend bool operator==(const GoodStatus&, const GoodStatus&) = default;
};
struct RevokedStatus {
  UnixTime at;
  RevocationReason reason = RevocationReason::unspecified;
  friend bool operator==(const RevokedStatus&, const RevokedStatus&) = default;
};
struct UnknownStatus {
  friend bool operator==(const UnknownStatus&, const UnknownStatus&) = default;
};
using CertificateStatus = std::variant<GoodStatus, RevokedStatus, UnknownStatus>;

// The number of the newest CRL of one root key.
struct RootCrlNumber {
  Bytes key_id;  // subject key identifier of the root
  std::uint64_t number = 0;
  friend bool operator==(const RootCrlNumber&, const RootCrlNumber&) = default;
};
inline constexpr std::size_t kMaxRootCrlNumbers = 8;

struct SingleResponse {
  CertId id;
  CertificateStatus status;
  UnixTime this_update;
  std::optional<UnixTime> next_update;
  std::optional<std::uint64_t> crl_number;  // id-pkix-ocsp-crl (RFC 6960 §4.4.2)
  // Of every root that the installation trusts, once it has more than one: the standard's extension has room for one
  // (ADR 0015).
  std::vector<RootCrlNumber> root_crl_numbers = {};
};

// What a responder says. The responder is named by its key.
struct OcspAnswer {
  std::vector<SingleResponse> responses;  // 1 to kMaxCertIds
  UnixTime produced_at;
  std::optional<Bytes> nonce;  // echoed
};

// The to-be-signed ResponseData of an answer under the key of `delegate`.
Bytes encode_ocsp_answer(const OcspAnswer& answer, const crypto::PublicKey& delegate_key);
// The whole response around signed ResponseData; `delegate` null leaves the certificate out.
Bytes encode_ocsp_response(ByteView answer, crypto::SignatureScheme scheme, ByteView signature,
                           const Certificate* delegate);
// The three steps in one: encode, sign, wrap.
Result<Bytes> build_ocsp_response(const OcspAnswer& answer, crypto::SigningKey& key, const Certificate* delegate);
// A response without an answer; `status` must not be successful.
Bytes encode_ocsp_error(OcspResponseStatus status);

// A parsed response; nothing about its signature is proven.
struct OcspResponse {
  OcspResponseStatus status = OcspResponseStatus::internal_error;
  // The rest is meaningful only when status is successful.
  Bytes tbs;
  Bytes responder_key_hash;  // byKey: SHA-1 of the key's bits; empty when byName
  Bytes responder_name;      // byName: DER; empty when byKey
  OcspAnswer answer;
  std::optional<crypto::SignatureScheme> scheme;
  Bytes signature;
  std::vector<Certificate> certificates;  // at most 2
};
// Errc::malformed also on unknown critical extensions, more than kMaxCertIds answers, times of the wrong form.
Result<OcspResponse> parse_ocsp_response(ByteView der);

// What a client asked and accepts. All of it strict by default.
struct OcspExpectation {
  Certificate issuer;  // the pinned CA of the certificate asked about
  SerialNumber serial;
  std::optional<Bytes> nonce;             // present: must come back equal. Absent: only with a trusted clock
  seconds skew{300};                      // thisUpdate and producedAt may be this much ahead of a trusted clock
  seconds oldest{900};                    // thisUpdate at most this much ago, by a trusted clock
  UnixTime signer_not_before_at_least;    // what was seen already: no delegate of before is believed
  std::uint64_t crl_number_at_least = 0;  // of a number that is told; that one is told at all is the caller's to demand
  std::optional<Certificate> known_delegate;  // for responses that leave it out
  // A responder of somebody else's PKI: the CA itself may sign, and a delegate need only be its own, with OCSPSigning.
  bool foreign = false;
};

// A certificate that its CA's delegate called good. Made by check_ocsp_response() alone.
class GoodAnswer {
 public:
  const SingleResponse& response() const { return response_; }
  UnixTime produced_at() const { return produced_at_; }
  // To be remembered as the next expectation's signer_not_before_at_least.
  UnixTime signer_not_before() const { return signer_.validity().not_before; }
  const Certificate& signer() const { return signer_; }

 private:
  friend class OcspCheck;
  GoodAnswer(SingleResponse response, UnixTime produced_at, Certificate signer)
      : response_(std::move(response)), produced_at_(produced_at), signer_(std::move(signer)) {}
  SingleResponse response_;
  UnixTime produced_at_;
  Certificate signer_;
};

// Accepts a response only when it is successful, holds exactly the one status asked for, was signed by a delegate that
// the pinned CA itself issued (EKU OCSPSigning in it and, where the CA has any, in the CA; nocheck; digitalSignature;
// no CA; valid at producedAt; the CA's policy), echoes the nonce, and lies in its window. Reasons status_revoked and
// status_unknown tell what a proven answer said.
Verdict<GoodAnswer> check_ocsp_response(const OcspResponse& response, const OcspExpectation& expected,
                                        const TimeRule& time);

}  // namespace sallyport::pki
