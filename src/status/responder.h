// The OCSP responder without its sockets (RFC 6960, RFC 5019, RFC 9654).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/time.h"
#include "crypto/key.h"
#include "pki/ocsp.h"
#include "records/snapshot.h"
#include "status/order_book.h"
#include "status/source_budget.h"

namespace sallyport::status {

// How long an answer without a nonce may be kept: by kind of certificate.
inline constexpr seconds kServerAnswerLife{900};
inline constexpr seconds kDeviceAnswerLife{24 * 3600};
// An answer with a nonce says when the next may differ: at once, so it is not worth keeping.
inline constexpr seconds kNonceAnswerLife{60};
// Answers without a nonce are signed anew when older than this.
inline constexpr seconds kCacheRefresh{300};
inline constexpr std::size_t kMaxCachedAnswers = 100'000;
inline constexpr std::size_t kMaxPresigned = 4'096;
// Live signatures per second for everybody; beyond that the answer is tryLater.
inline constexpr double kLiveAnswersPerSecond = 5'000;
// A delegate is replaced when this much of its life is left (seven days' overlap).
inline constexpr seconds kSignerOverlap = 7 * kDay;

struct Signer {
  std::shared_ptr<crypto::SigningKey> key;
  pki::Certificate certificate;
};

struct Answer {
  std::shared_ptr<const Bytes> der;
  // Absent: must not be cached (RFC 9111 no-store).
  std::optional<UnixTime> this_update;
  std::optional<UnixTime> next_update;
  std::string etag;  // quoted; empty when it must not be cached
};

// Answers from a snapshot and from the root's orders alone. Not thread-safe. Never "good" for a certificate that was
// not issued, has expired, or is revoked by either, nor for one of a device that may not connect now: that is revoked
// with certificateHold, and good again when the device may (docs/adr/0017-openvpn-asks-the-status-service.md). Without
// a lease tryLater to everything but cached answers about servers and CAs, and "revoked" for what the root has ordered.
class Responder {
 public:
  // `orders` must outlive it; null: none.
  explicit Responder(const Clock& clock, const OrderBook* orders = nullptr) : clock_(clock), orders_(orders) {}

  // Takes a new state: cached answers about what it changed are forgotten, and only those. `state` must outlive the
  // responder.
  void use_snapshot(const records::SnapshotState& state, const records::SnapshotChange& change);
  // Forgets what was said before an order or a root CRL was taken.
  void use_orders();
  // Takes the delegate of a CA into use.
  void use_signer(const records::CaName& ca, Signer signer);
  bool has_signer(const records::CaName& ca) const { return signers_.contains(ca); }
  std::optional<UnixTime> signer_not_after(const records::CaName& ca) const;

  // `may_sign` is whether the role has a lease, `source` the address that asks: each network has a budget of its own.
  // Never fails: what cannot be answered is an OCSP error status.
  Answer answer(ByteView request, bool may_sign, std::string_view source);

  // Answers without a nonce about everything but devices, of every CA that has a delegate and for both hashes: those at
  // hand, and where `may_sign` what is missing or older than kCacheRefresh, signed now. At most kMaxPresigned.
  std::vector<Answer> presigned(bool may_sign);

  // Each request counts once.
  struct Counters {
    std::uint64_t cached = 0;     // an answer without a nonce, out of memory
    std::uint64_t on_demand = 0;  // one that was signed for the request, and may be kept
    std::uint64_t live = 0;       // signed over the nonce of the request
    // Refused.
    std::uint64_t without_lease = 0;   // tryLater: nothing may be signed now
    std::uint64_t without_signer = 0;  // no delegate of that CA, or one that has ended
    std::uint64_t saturated = 0;       // tryLater: too many asked
    std::uint64_t unauthorized = 0;    // of no CA here
    std::uint64_t malformed = 0;
    std::uint64_t internal = 0;
  };
  const Counters& counters() const { return counters_; }
  const std::map<records::CaName, Signer>& signers() const { return signers_; }

 private:
  struct Issuer {
    records::CaName name;                          // of the CA, with its serial when it is an older one
    records::CaName record;                        // under which its certificates are recorded
    crypto::Sha256Digest key{};                    // of its SubjectPublicKeyInfo
    pki::CertId id;                                // what a request about its certificates names, but for the serial
    std::optional<std::uint64_t> root_crl_number;  // of the root that issued it
  };
  struct Cached {
    Answer answer;
    UnixTime signed_at;
    bool infrastructure = false;
    std::optional<DeviceName> device;  // whose certificate it is about, and how that stood
    bool on_hold = false;
  };

  std::vector<Answer> collect_presigned(bool may_sign);
  void use_infrastructure(const records::SnapshotChange& change, bool whole);
  void use_authorities();
  void use_root_crls();
  std::optional<std::uint64_t> root_crl_number_of(const pki::Certificate& ca) const;
  void forget(const records::CaName& ca, const records::CertificateSerial& serial);
  const Issuer* find_issuer(const pki::CertId& id) const;
  const pki::RootOrder* find_order(const Issuer& issuer, const pki::SerialNumber& serial) const;
  void keep(const Issuer& issuer, const pki::SerialNumber& serial, Bytes key, const Answer& answer);
  pki::SingleResponse single_response(const Issuer& issuer, const pki::CertId& id, bool nonce) const;
  bool is_on_hold(const DeviceName& device) const;
  Answer sign(const Issuer& issuer, const pki::CertId& id, const std::optional<Bytes>& nonce);
  bool may_be_given(const Cached& cached, bool may_sign) const;
  Answer refuse(pki::OcspResponseStatus status, std::uint64_t Counters::* why);
  bool take_token();

  const Clock& clock_;
  const OrderBook* orders_;
  const records::SnapshotState* state_ = nullptr;
  std::map<Bytes, Issuer> issuers_;  // by key hash, of either algorithm
  std::map<records::CaName, Signer> signers_;
  std::map<Bytes, Cached> cache_;  // by encoded CertID
  std::vector<pki::RootCrlNumber> root_crl_numbers_;
  std::set<std::pair<records::CaName, records::CertificateSerial>> infrastructure_;  // that has not ended
  SourceBudget sources_;
  double tokens_ = kLiveAnswersPerSecond;
  Instant refilled_{};
  Counters counters_;
};

}  // namespace sallyport::status
