// The CRLs of the online CAs over a real database and signer: what is on them, and that no number is given twice.
#include "pki/crl.h"
#include "authority/crl_keeper.h"
#include "codec/text.h"
#include "net/timer.h"
#include "watcher.h"

namespace sallyport::integration {
namespace {

// The keeper without the rest of an authority, which would make lists of its own meanwhile.
struct Keeping {
  explicit Keeping(Installation& t)
      : core(t.io().executor(), t.database(), t.clock(), t.random(), t.socket("signer")), keeper(core) {
    EXPECT_TRUE(core.reload_installation());
  }
  std::optional<pki::Crl> newest(const records::CaName& ca) const {
    const auto portion = keeper.portion({.ca = ca});
    if (!portion || portion->count != 1) return std::nullopt;
    const auto crl = pki::parse_crl(portion->bytes);
    const auto issuer = core.installation().ca(ca);
    if (!crl || !issuer || !pki::verify_crl(*crl, *issuer, pki::TimeRule::clock(core.clock().now())))
      return std::nullopt;
    return *crl;
  }
  authority::Core core;
  authority::CrlKeeper keeper;
};

// The authority has made its first lists and rests: no number of its own comes between those of the test.
net::Task<bool> until_the_authority_rests(Installation& t) {
  const auto role = co_await t.connect("authority");
  const net::Deadline deadline(kCallLimit);
  for (const records::CaName& ca : records::online_ca_names()) {
    for (;;) {
      Bytes request = records::with_method(records::RoleMethod::crl, records::encode(records::CrlRequest{.ca = ca}));
      const auto answer = co_await role->call(std::move(request), kCallLimit);
      if (answer) break;
      if (deadline.passed()) co_return false;
      co_await net::sleep_for(milliseconds(5));
    }
  }
  t.stop_authority();
  co_return true;
}

// A certificate on record, of `ca`, that ends at `not_after`.
records::CertificateRecord put_certificate(Installation& t, const records::CaName& ca, UnixTime not_after) {
  records::CertificateRecord record;
  record.ca = ca;
  record.serial = records::CertificateSerial(to_bytes(pki::SerialNumber::draw(t.random()).content()));
  record.kind = records::CertificateKind::operational;
  record.subject = "abcdefgh23";
  record.not_before = kNow - kDay;
  record.not_after = not_after;
  record.recorded_at = kNow;
  t.write([&](records::Records& records) -> Result<void> {
    TRY_VOID(records.certificates().record_intent(record));
    return records.certificates().record_issued(record.ca, record.serial, Bytes{0x30, 0x00});
  });
  return record;
}

void revoke(Installation& t, const records::CertificateRecord& record) {
  t.write([&](records::Records& records) {
    return records.certificates().revoke(record.ca, record.serial, t.clock().now(),
                                         records::RevocationReason::key_compromise);
  });
}

pki::SerialNumber serial_of(const records::CertificateRecord& record) {
  return *pki::SerialNumber::from_content(record.serial.get());
}

net::Task<void> lists_what_is_revoked(Installation& t) {
  CO_ASSERT(co_await until_the_authority_rests(t));
  Keeping keeping(t);
  const auto kept = put_certificate(t, kOnlineCa, kNow + 30 * kDay);
  const auto revoked = put_certificate(t, kOnlineCa, kNow + 30 * kDay);
  EXPECT_EQ(keeping.keeper.portion({.ca = kOnlineCa}).error().code, Errc::not_found) << "before the first list";
  EXPECT_EQ((co_await keeping.keeper.make_due()).value_or(0), records::online_ca_names().size());
  const auto first = keeping.newest(kOnlineCa);
  CO_ASSERT(first && first->entries().empty());

  EXPECT_EQ((co_await keeping.keeper.make_due()).value_or(99), 0U) << "nothing has changed";
  revoke(t, revoked);
  EXPECT_EQ((co_await keeping.keeper.make_due()).value_or(0), 1U) << "of the other CAs nothing has changed";
  const auto second = keeping.newest(kOnlineCa);
  CO_ASSERT(second && second->entries().size() == 1);
  EXPECT_GT(second->number(), first->number());
  const auto* entry = second->find(serial_of(revoked));
  CO_ASSERT(entry != nullptr);
  EXPECT_EQ(entry->reason, pki::RevocationReason::key_compromise);
  EXPECT_EQ(second->find(serial_of(kept)), nullptr);
  EXPECT_EQ(keeping.keeper.portion({.ca = kOnlineCa, .have_number = second->number()})->count, 0U) << "nothing newer";
  EXPECT_EQ(keeping.keeper.portion({.ca = kOnlineCa, .have_number = 0, .index = 1}).error().code, Errc::conflict);
  EXPECT_EQ(keeping.keeper.portion({.ca = records::local_ca_name("acme")}).error().code, Errc::not_found);
}
TEST(Crls, ListWhatIsRevokedAndNothingElse) {
  Installation t;
  run(t, lists_what_is_revoked(t));
}

net::Task<void> are_made_in_time(Installation& t) {
  CO_ASSERT(co_await until_the_authority_rests(t));
  Keeping keeping(t);
  CO_ASSERT((co_await keeping.keeper.make_due()).has_value());
  const auto first = keeping.newest(kOnlineCa);
  t.clock().advance(authority::kCrlRefresh - seconds(1));
  EXPECT_EQ((co_await keeping.keeper.make_due()).value_or(99), 0U);
  t.clock().advance(seconds(1));
  EXPECT_EQ((co_await keeping.keeper.make_due()).value_or(0), records::online_ca_names().size());
  const auto second = keeping.newest(kOnlineCa);
  CO_ASSERT(first && second);
  EXPECT_GT(second->next_update(), first->next_update());
  EXPECT_GT(second->next_update() - second->this_update(), 2 * authority::kCrlRefresh)
      << "one that is served has most of its life left";
}
TEST(Crls, AreMadeAnewLongBeforeTheyEnd) {
  Installation t;
  run(t, are_made_in_time(t));
}

net::Task<void> numbers_never_fall(Installation& t) {
  CO_ASSERT(co_await until_the_authority_rests(t));
  std::uint64_t last = 0;
  for (int start = 0; start < 3; ++start) {
    Keeping keeping(t);  // as after a restart
    CO_ASSERT((co_await keeping.keeper.make_due()).has_value());
    const auto crl = keeping.newest(kOnlineCa);
    CO_ASSERT(crl.has_value());
    EXPECT_GT(crl->number(), last);
    last = crl->number();
  }
}
TEST(Crls, NeverGiveANumberTwiceOverRestarts) {
  Installation t;
  run(t, numbers_never_fall(t));
}

net::Task<void> ended_leave(Installation& t) {
  CO_ASSERT(co_await until_the_authority_rests(t));
  Keeping keeping(t);
  const auto device = put_certificate(t, kOnlineCa, kNow + kDay);
  const auto server = put_certificate(t, kServerCa, kNow + kDay);
  revoke(t, device);
  revoke(t, server);
  CO_ASSERT((co_await keeping.keeper.make_due()).has_value());
  t.clock().advance(kDay + authority::kCrlRefresh);
  CO_ASSERT((co_await keeping.keeper.make_due()).has_value());
  EXPECT_NE(keeping.newest(kOnlineCa)->find(serial_of(device)), nullptr) << "once more after its end (RFC 5280 §3.3)";
  t.clock().advance(kDay);
  CO_ASSERT((co_await keeping.keeper.make_due()).has_value());
  EXPECT_EQ(keeping.newest(kOnlineCa)->find(serial_of(device)), nullptr);
  EXPECT_NE(keeping.newest(kServerCa)->find(serial_of(server)), nullptr) << "a server's stays for ever";
}
TEST(Crls, ForgetADeviceSomeTimeAfterItsEndAndAServerNever) {
  Installation t;
  run(t, ended_leave(t));
}

std::uint64_t number_of(const Keeping& keeping, const records::CaName& ca) {
  const auto portion = keeping.keeper.portion({.ca = ca});
  return portion ? portion->number : 0;
}

net::Task<void> replaced_goes_on(Installation& t) {
  CO_ASSERT(co_await until_the_authority_rests(t));
  Keeping keeping(t);
  const auto revoked = put_certificate(t, kOnlineCa, kNow + 30 * kDay);
  EXPECT_EQ((co_await keeping.keeper.make_due()).value_or(0), records::online_ca_names().size() + 1);
  revoke(t, revoked);
  EXPECT_EQ((co_await keeping.keeper.make_due()).value_or(0), 2U) << "whichever of the two issued it";
  const auto present = keeping.newest(kOnlineCa), replaced = keeping.newest(kReplacedCa);
  CO_ASSERT(present && replaced);
  EXPECT_NE(present->find(serial_of(revoked)), nullptr);
  EXPECT_NE(replaced->find(serial_of(revoked)), nullptr);
  EXPECT_NE(present->number(), replaced->number()) << "one sequence for the two";
}
TEST(Crls, OfACaThatWasReplacedGoOnBesideThoseOfTheOneThatReplacedIt) {
  Installation t(true);
  run(t, replaced_goes_on(t));
}

net::Task<void> replaced_ends(Installation& t) {
  CO_ASSERT(co_await until_the_authority_rests(t));
  Keeping keeping(t);
  CO_ASSERT((co_await keeping.keeper.make_due()).has_value());
  t.clock().advance(kReplacedLife - kDay);
  EXPECT_EQ((co_await keeping.keeper.make_due()).value_or(0), records::online_ca_names().size() + 1);
  const std::uint64_t last = number_of(keeping, kReplacedCa), present = number_of(keeping, kOnlineCa);
  t.clock().advance(2 * kDay);
  EXPECT_EQ((co_await keeping.keeper.make_due()).value_or(0), records::online_ca_names().size());
  EXPECT_EQ(number_of(keeping, kReplacedCa), last);
  EXPECT_GT(number_of(keeping, kOnlineCa), present);
}
TEST(Crls, OfACaThatWasReplacedEndWithIt) {
  Installation t(true);
  run(t, replaced_ends(t));
}

TEST(Crls, AreNamedByKeyInCertificatesOfACaThatHasReplacedAnother) {
  Installation first, second(true);
  const Keeping before(first), after(second);
  const std::string folder = "http://status." + kZone.get() + "/crl/";
  EXPECT_EQ(before.core.installation().crl_url(kOnlineCa), folder + "online-ca.crl");
  const auto present = after.core.installation().ca(kOnlineCa);
  ASSERT_TRUE(present);
  EXPECT_EQ(after.core.installation().crl_url(kOnlineCa),
            folder + "online-ca-" + codec::encode_hex(*present->extensions().subject_key_id) + ".crl");
  EXPECT_EQ(after.core.installation().crl_url(kServerCa), folder + "server-ca.crl") << "it has replaced none";
}

}  // namespace
}  // namespace sallyport::integration
