// An order of the offline root: a revocation that whoever trusts the root carries out without asking the authority, and
// that nothing takes back (ADR 0019).
//
//   sealed := signed object of one certificate, the root's own (pki/signed_object.h); signed by the root's key over
//             codec::signing_input("root-order", payload)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "pki/certificate.h"
#include "pki/crl.h"
#include "pki/reason.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxRootOrderPayload = 1U << 10U;
inline constexpr std::size_t kMaxRootOrderBytes = kMaxCertificateBytes + (4U << 10U);
// Of a sealed order in a file (RFC 7468).
inline constexpr std::string_view kRootOrderLabel = "SALLYPORT ROOT ORDER";

// What is revoked from now on and for ever: one certificate of a CA, or the CA with everything that it has issued and
// will issue.
struct RootOrder {
  std::uint64_t number = 0;  // of the root's orders, rising by one
  std::string installation;  // its name; another installation under the same root refuses it
  UnixTime issued_at;
  std::string ca;                 // its name, for people: "server-ca"
  crypto::Sha256Digest ca_key{};  // SHA-256 of the CA's SubjectPublicKeyInfo, which says what CA it is
  std::optional<SerialNumber> serial;
  RevocationReason reason = RevocationReason::unspecified;
  friend bool operator==(const RootOrder&, const RootOrder&) = default;
};

// The TLV payload. Fields: 1 number, 2 installation, 3 issued at, 4 CA, 5 its key, 6 serial (content octets; absent for
// the whole CA), 7 reason.
Bytes encode_root_order(const RootOrder& order);
// Errc::malformed also for number 0, a name that is none, and a reason that could be taken back (certificateHold,
// removeFromCRL).
Result<RootOrder> parse_root_order(ByteView payload);

// Errc::conflict when `key` is not that of `root`.
Result<Bytes> seal_root_order(const RootOrder& order, crypto::SigningKey& key, const Certificate& root);

// An order that one of the trusted roots has signed. Made by open_root_order() alone.
class OpenedRootOrder {
 public:
  const RootOrder& order() const { return order_; }
  const Certificate& root() const { return root_; }

 private:
  friend Verdict<OpenedRootOrder> open_root_order(ByteView, std::span<const Certificate>);
  OpenedRootOrder(RootOrder order, Certificate root) : order_(std::move(order)), root_(std::move(root)) {}
  RootOrder order_;
  Certificate root_;
};

// Verifies that one of `roots` signed it, then reads it: no_anchor for another's, bad_signature, malformed. No time is
// looked at: an order has no end, and the root that gave it may have one.
Verdict<OpenedRootOrder> open_root_order(ByteView sealed, std::span<const Certificate> roots);

}  // namespace sallyport::pki
