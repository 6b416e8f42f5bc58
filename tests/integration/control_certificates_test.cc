// The signer's own certificates are ordered anew before they end, and also when they have ended already.
#include "authority/control_certificates.h"

#include <gtest/gtest.h>

#include "authority/issuance.h"
#include "installation.h"
#include "pki/signed_object.h"
#include "pki/signing_request.h"
#include "pki/snapshot_manifest.h"

namespace sallyport::integration {
namespace {

constexpr pki::ControlKind kKind = pki::ControlKind::snapshot;
constexpr milliseconds kPatience{5'000};
constexpr milliseconds kStep{5};

// A core of its own over the installation's database and signer; no authority runs beside it.
struct ControlCertificates : testing::Test {
  ControlCertificates()
      : core(installation.io().executor(), installation.database(), installation.clock(), installation.random(),
             installation.socket("signer")) {}

  net::Task<Result<pki::Certificate>> seal() {
    pki::SnapshotManifest manifest;
    manifest.number = ++number;
    manifest.issued_at = installation.clock().now();
    manifest.portions.resize(1);
    pki::SigningRequest request(pki::SignObject{kKind, pki::encode_snapshot_manifest(manifest)});
    CO_TRY(auto answer, co_await core.sign(std::move(request)));
    const auto& sealed = std::get<pki::SealedObject>(answer);
    const std::vector<pki::Certificate> anchors = {installation.root()};
    CO_TRY(auto opened, pki::open_object(kKind, sealed.bytes, anchors, pki::TimeRule::clock(manifest.issued_at)));
    co_return opened.signer().leaf();
  }

  // Records what init would have recorded: the certificate that the signer seals with.
  void record(const pki::Certificate& certificate) {
    installation.write([&](records::Records& records) -> Result<void> {
      records::CertificateRecord record;
      record.ca = records::CaName("control-ca");
      record.serial = authority::to_record_serial(certificate.serial());
      record.kind = records::CertificateKind::control;
      record.subject = std::string(pki::to_string(kKind));
      record.spki_sha256 = certificate.spki_sha256();
      record.not_before = certificate.validity().not_before;
      record.not_after = certificate.validity().not_after;
      record.recorded_at = installation.clock().now();
      TRY_VOID(records.certificates().record_intent(record));
      return records.certificates().record_issued(record.ca, record.serial, certificate.der());
    });
  }

  net::Task<void> renews_in_time() {
    const auto first = co_await seal();
    CO_ASSERT(first.has_value());
    record(*first);
    const auto early = co_await authority::renew_control_certificates(core);
    CO_ASSERT(early.has_value());
    EXPECT_EQ(*early, 0U);
    installation.clock().advance(25 * kDay);
    const auto due = co_await authority::renew_control_certificates(core);
    CO_ASSERT(due.has_value());
    EXPECT_EQ(*due, 1U);
    const auto second = co_await seal();
    CO_ASSERT(second.has_value());
    EXPECT_EQ(second->public_key(), first->public_key());
    EXPECT_GT(second->validity().not_after, first->validity().not_after);
    const auto again = co_await authority::renew_control_certificates(core);
    CO_ASSERT(again.has_value());
    EXPECT_EQ(*again, 0U);
  }

  net::Task<void> recovers_after_the_end() {
    const auto first = co_await seal();
    CO_ASSERT(first.has_value());
    record(*first);
    installation.clock().advance(40 * kDay);
    const auto refused = co_await seal();
    CO_ASSERT(!refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::expired);
    const net::Deadline deadline(kPatience);
    auto sealed = co_await seal();
    while (!sealed && !deadline.passed()) {
      co_await net::sleep_for(kStep);
      sealed = co_await seal();
    }
    CO_ASSERT(sealed.has_value());
    EXPECT_GT(sealed->validity().not_after, installation.clock().now());
    // The order that brought it ends before the core does.
    while (!is_recorded(*sealed) && !deadline.passed()) co_await net::sleep_for(kStep);
    EXPECT_TRUE(is_recorded(*sealed));
    EXPECT_TRUE((co_await core.log().until_signed(kPatience)).has_value());
  }

  bool is_recorded(const pki::Certificate& certificate) const {
    bool found = false;
    installation.read([&](records::Records& records) -> Result<void> {
      const auto serial = authority::to_record_serial(certificate.serial());
      TRY(const auto record, records.certificates().find(records::CaName("control-ca"), serial));
      found = record && record->state == records::CertificateState::issued;
      return {};
    });
    return found;
  }

  Installation installation;
  authority::Core core;
  std::uint64_t number = 0;
};

TEST_F(ControlCertificates, AreOrderedBeforeAThirdOfTheirLifeIsLeft) {
  ASSERT_TRUE(core.reload_installation());
  run(installation, renews_in_time());
}

TEST_F(ControlCertificates, AreOrderedWhenTheSignerSaysThatTheyHaveEnded) {
  ASSERT_TRUE(core.reload_installation());
  run(installation, recovers_after_the_end());
}

}  // namespace
}  // namespace sallyport::integration
