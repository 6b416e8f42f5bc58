// What the offline root has ordered and this host has taken: revocations that no snapshot takes back, and root CRLs
// newer than the authority's (ADR 0019).
//
//   <folder>/order-<number>.order    a sealed order, as it came (pki/root_order.h)
//   <folder>/root-<key id>.crl       the newest CRL of that root that was handed in, DER
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "pki/root_order.h"
#include "pki/verify.h"

namespace sallyport::status {

inline constexpr std::size_t kMaxRootOrders = 4'096;
// Of a root CRL that is handed in: it lists CAs, not what they issue.
inline constexpr std::size_t kMaxRootCrl = 1U << 20U;

// Whether something was new.
enum class Taken : std::uint8_t { taken, known };

// Not thread-safe.
class OrderBook {
 public:
  struct Settings {
    std::filesystem::path folder;  // made when it is not there
    std::string installation;      // whose orders are taken
    std::vector<pki::Certificate> roots;
  };
  // Reads what was kept. What a root ordered that is trusted no more counts no more and stays where it is.
  // Errc::malformed names a file that is not as it was kept: what it said may be all that keeps a thief out, so nobody
  // goes on without.
  static Result<OrderBook> open(Settings settings);

  // Durable when it returns. Errc::unauthorized for whatever no trusted root has signed for this installation;
  // Errc::conflict for another order of a number that is known; Errc::overloaded for one more than kMaxRootOrders.
  // Orders may come in any order: a revocation never comes too late.
  Result<Taken> take_order(ByteView sealed);
  // The same for a root CRL, which must be in date. Errc::conflict unless its number is above that of this root's CRLs
  // in `at_hand` and of the one that was kept.
  Result<Taken> take_root_crl(ByteView der, std::span<const Bytes> at_hand, UnixTime now);

  // The roots that are trusted.
  const std::vector<pki::Certificate>& roots() const { return settings_.roots; }
  // By number.
  const std::map<std::uint64_t, pki::RootOrder>& orders() const { return orders_; }
  // The order that revokes this certificate, or its whole CA; null when there is none. `ca_key` is the SHA-256 of the
  // CA's SubjectPublicKeyInfo.
  const pki::RootOrder* find(const crypto::Sha256Digest& ca_key, const pki::SerialNumber& serial) const;
  // The root CRLs that were handed in.
  const std::vector<pki::VerifiedCrl>& root_crls() const { return root_crls_; }
  // For every root the newest CRL, out of these and of `at_hand`; newest root first. A root without one has none.
  std::vector<pki::VerifiedCrl> newest_root_crls(std::span<const Bytes> at_hand) const;
  // Refuses a chain of which an order, or a CRL that was handed in, revokes a certificate: status_revoked, ca_revoked.
  pki::Verdict<void> check(const pki::VerifiedChain& chain) const;

 private:
  using CertificateKey = std::pair<crypto::Sha256Digest, pki::SerialNumber>;

  explicit OrderBook(Settings settings) : settings_(std::move(settings)) {}
  Result<void> load();
  Result<void> load_file(const std::filesystem::path& file);
  void note(const pki::RootOrder& order);
  void note(pki::VerifiedCrl crl);
  pki::Verdict<pki::VerifiedCrl> verify(ByteView der, const pki::TimeRule& time) const;
  std::filesystem::path file_of(const pki::VerifiedCrl& crl) const;

  Settings settings_;
  std::map<std::uint64_t, pki::RootOrder> orders_;
  std::map<CertificateKey, std::uint64_t> by_certificate_;  // to the lowest number
  std::map<crypto::Sha256Digest, std::uint64_t> by_ca_;
  std::vector<pki::VerifiedCrl> root_crls_;  // one per root at most
};

}  // namespace sallyport::status
