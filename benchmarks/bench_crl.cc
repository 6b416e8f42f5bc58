// A CRL of many entries, built and signed once: by our own DER writer and by OpenSSL's X509_CRL API, from the same list
// of serial numbers, times and reasons in no order.
//
//   bench_crl ours|openssl ENTRIES
//
// Prints {"seconds":…,"peak_bytes":…,"der_bytes":…}; the peak is what building took above what the list itself takes.
// Fails when the DER does not parse or lists another number of entries.
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "crypto/system_random.h"
#include "pki/crl.h"
#include "pki/issue.h"

namespace sallyport::bench {
namespace {

constexpr UnixTime kNow{1'780'315'200};  // 2026-06-01T12:00:00Z
constexpr std::uint64_t kNumber = 7;

struct Issuer {
  pki::Certificate certificate;
  crypto::PrivateKey key;
};

Result<Issuer> make_issuer(Random& random) {
  auto key = crypto::PrivateKey::generate();
  const auto& profile = pki::profile(pki::ProfileId::root);
  const pki::CertificateFields fields{.common_name = pki::ca_common_name("root", "bench"),
                                      .public_key = key.public_key(),
                                      .validity = pki::choose_validity(profile, nullptr, kNow, profile.longest),
                                      .serial = pki::SerialNumber::draw(random)};
  TRY(auto linted, pki::prepare_self_signed(profile, fields, kNow));
  TRY(auto certificate, pki::issue(std::move(linted), key));
  return Issuer{std::move(certificate), std::move(key)};
}

std::vector<pki::RevokedEntry> make_entries(std::size_t count, Random& random) {
  std::vector<pki::RevokedEntry> entries;
  entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back({.serial = pki::SerialNumber::draw(random),
                       .reason = pki::RevocationReason::key_compromise,
                       .revoked_at = kNow - seconds(static_cast<std::int64_t>(i))});
  }
  return entries;
}

std::size_t resident_peak() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

// ---- OpenSSL

template <class T, void (*Free)(T*)>
struct Freer {
  void operator()(T* one) const { Free(one); }
};
using CrlPtr = std::unique_ptr<X509_CRL, Freer<X509_CRL, X509_CRL_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, Freer<ASN1_STRING, ASN1_STRING_free>>;
using IntegerPtr = std::unique_ptr<ASN1_INTEGER, Freer<ASN1_STRING, ASN1_STRING_free>>;
using EnumeratedPtr = std::unique_ptr<ASN1_ENUMERATED, Freer<ASN1_STRING, ASN1_STRING_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freer<X509, X509_free>>;

bool add_entry(X509_CRL& crl, const pki::RevokedEntry& entry, ASN1_TIME& time, ASN1_ENUMERATED& reason) {
  X509_REVOKED* revoked = X509_REVOKED_new();
  const ByteView serial = entry.serial.content();
  std::unique_ptr<BIGNUM, Freer<BIGNUM, BN_free>> number(
      BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  const IntegerPtr integer(BN_to_ASN1_INTEGER(number.get(), nullptr));
  ASN1_TIME_set(&time, static_cast<std::time_t>(entry.revoked_at.since_epoch()));
  const bool whole = X509_REVOKED_set_serialNumber(revoked, integer.get()) == 1 &&
                     X509_REVOKED_set_revocationDate(revoked, &time) == 1 &&
                     X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, &reason, 0, 0) == 1;
  if (whole && X509_CRL_add0_revoked(&crl, revoked) == 1) return true;
  X509_REVOKED_free(revoked);
  return false;
}

Result<Bytes> build_with_openssl(const X509& issuer, EVP_PKEY& key, const std::vector<pki::RevokedEntry>& entries) {
  const CrlPtr crl(X509_CRL_new());
  const TimePtr time(ASN1_TIME_set(nullptr, static_cast<std::time_t>(kNow.since_epoch())));
  const EnumeratedPtr reason(ASN1_ENUMERATED_new());
  const IntegerPtr number(ASN1_INTEGER_new());
  ASN1_ENUMERATED_set(reason.get(), static_cast<long>(pki::RevocationReason::key_compromise));
  ASN1_INTEGER_set_uint64(number.get(), kNumber);
  X509_CRL_set_version(crl.get(), 1);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(&issuer));
  X509_CRL_set1_lastUpdate(crl.get(), time.get());
  X509_CRL_set1_nextUpdate(crl.get(), ASN1_TIME_adj(time.get(), static_cast<std::time_t>(kNow.since_epoch()), 7, 0));
  for (const auto& entry : entries) {
    if (!add_entry(*crl, entry, *time, *reason)) return fail(Errc::internal, "openssl: entry not added");
  }
  X509_CRL_add1_ext_i2d(crl.get(), NID_crl_number, number.get(), 0, 0);
  X509_CRL_sort(crl.get());
  if (X509_CRL_sign(crl.get(), &key, EVP_sha256()) <= 0) return fail(Errc::internal, "openssl: not signed");
  std::uint8_t* der = nullptr;
  const int size = i2d_X509_CRL(crl.get(), &der);
  if (size <= 0) return fail(Errc::internal, "openssl: not encoded");
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

// ---- both

struct Built {
  double seconds = 0;
  std::size_t peak = 0;
  Bytes der;
};

template <class Build>
Result<Built> measure(Build build) {
  const SystemClock clock;
  const std::size_t before = resident_peak();
  const Instant began = clock.monotonic();
  TRY(auto der, build());
  const double took = std::chrono::duration<double>(clock.monotonic() - began).count();
  return Built{took, resident_peak() - before, std::move(der)};
}

Result<Built> build(std::string_view side, std::size_t count) {
  crypto::SystemRandom random;
  TRY(auto issuer, make_issuer(random));
  auto entries = make_entries(count, random);
  if (side == "ours") {
    pki::CrlFields fields{
        .number = kNumber, .this_update = kNow, .next_update = kNow + 7 * kDay, .entries = std::move(entries)};
    return measure([&] { return pki::build_crl(issuer.certificate, std::move(fields), issuer.key); });
  }
  const ByteView der = issuer.certificate.der();
  const std::uint8_t* at = der.data();
  const CertificatePtr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  if (!certificate || !key) return fail(Errc::internal, "openssl: no issuer");
  return measure([&] { return build_with_openssl(*certificate, *key, entries); });
}

Result<Built> build_and_check(std::string_view side, std::size_t count) {
  TRY(auto built, build(side, count));
  TRY(const auto crl, pki::parse_crl(built.der));
  if (crl.entries().size() != count || crl.number() != kNumber) {
    return failf(Errc::conflict, "bench_crl: {} entries, want {}", crl.entries().size(), count);
  }
  return built;
}

}  // namespace
}  // namespace sallyport::bench

int main(int count, char** words) {
  const std::string_view side = count == 3 ? words[1] : "";
  if (side != "ours" && side != "openssl") {
    static_cast<void>(std::fprintf(stderr, "usage: bench_crl ours|openssl ENTRIES\n"));
    return 2;
  }
  const auto built = sallyport::bench::build_and_check(side, std::strtoull(words[2], nullptr, 10));
  if (!built) {
    static_cast<void>(std::fprintf(stderr, "%s\n", built.error().detail.c_str()));
    return 1;
  }
  std::printf("{\"seconds\":%.4f,\"peak_bytes\":%zu,\"der_bytes\":%zu}\n", built->seconds, built->peak,
              built->der.size());
  return 0;
}
