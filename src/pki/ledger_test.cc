#include "pki/ledger.h"

#include <gtest/gtest.h>

#include "pki/detail/test_ledger.h"

namespace sallyport::pki {
namespace {

using Ledger = TestLedger;

TEST_F(Ledger, AGaplessContinuationIsAccepted) {
  LedgerExport ledger = make(5);
  const auto parsed = parse_ledger_export(encode_ledger_export(ledger));
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(outcome(*parsed), "ok 5");
  const LedgerHead third{.sequence = 3, .hash = entry_hash(ledger.entries[2])};
  EXPECT_EQ(outcome(ledger, third), "ok 2");
  const LedgerHead last{.sequence = 5, .hash = entry_hash(ledger.entries[4])};
  EXPECT_EQ(outcome(ledger, last), "ok 0");
  LedgerExport tail = ledger;
  tail.entries.erase(tail.entries.begin(), tail.entries.begin() + 3);
  tail.certificates.erase(tail.certificates.begin(), tail.certificates.begin() + 3);
  sign(tail);
  EXPECT_EQ(outcome(tail, third), "ok 2");
  EXPECT_EQ(outcome(tail), "gap");
}

TEST_F(Ledger, ForksGapsAndRollbacksShow) {
  const LedgerExport ledger = make(4);
  const LedgerHead second{.sequence = 2, .hash = entry_hash(ledger.entries[1])};
  const LedgerExport other = make(4);
  EXPECT_EQ(outcome(other, second), "fork");
  LedgerExport gap = ledger;
  gap.entries.erase(gap.entries.begin() + 1);
  gap.certificates.erase(gap.certificates.begin() + 1);
  sign(gap);
  EXPECT_EQ(outcome(gap), "gap");
  LedgerExport renumbered = gap;
  for (std::size_t i = 0; i < renumbered.entries.size(); ++i) renumbered.entries[i].sequence = i + 1;
  sign(renumbered);
  EXPECT_EQ(outcome(renumbered), "fork");
  relink(renumbered);
  EXPECT_EQ(outcome(renumbered, second), "fork") << "relinked, but not what was accepted";
  EXPECT_EQ(outcome(make(1), second), "stale");
  LedgerExport before_first = make(1);
  before_first.entries[0].previous = Sha256Digest{1};
  sign(before_first);
  EXPECT_EQ(outcome(before_first), "fork");
}

TEST_F(Ledger, WhatTheSiteMayNotDoIsRefusedByName) {
  EXPECT_EQ(outcome(make(11)), "over_production");
  EXPECT_EQ(outcome(make(10)), "ok 10");

  LedgerExport twice = make(2);
  add(twice, "unit-1");
  sign(twice);
  EXPECT_EQ(outcome(twice), "reused_serial");
  EXPECT_EQ(outcome(make(2), {}, [](const SerialId& id) { return id.get() == "unit-2"; }), "reused_serial");

  LedgerExport same_key = make(2);
  const auto der = tree.make_leaf(ProfileId::factory_device, ca, {"unit-3.site-7.factory.devices.example"}, "unit-3");
  CertificateFields copy = tree.fields(profile(ProfileId::factory_device), &ca.certificate, "unit-4",
                                       der.key->public_key(), {"unit-4.site-7.factory.devices.example"});
  const Certificate clone =
      TestTree::must(prepare(profile(ProfileId::factory_device), copy, ca.certificate, kTestNow), *ca.key);
  add_certificate(same_key, "unit-3", der.certificate);
  add_certificate(same_key, "unit-4", clone);
  sign(same_key);
  EXPECT_EQ(outcome(same_key), "reused_key");

  LedgerExport foreign = make(1);
  add(foreign, "other-1");
  sign(foreign);
  EXPECT_EQ(outcome(foreign), "foreign_namespace");

  LedgerExport late = make(2);
  late.entries[1].issued_at = permit.not_after + seconds(1);
  sign(late);
  EXPECT_EQ(outcome(late), "outside_permit");
  LedgerExport back = make(2);
  back.entries[1].issued_at = kTestNow - seconds(1);
  sign(back);
  EXPECT_EQ(outcome(back), "outside_permit");
}

TEST_F(Ledger, WhatAnEarlierExportHadIsNotTakenAgain) {
  const LedgerExport ledger = make(2);
  const auto fault = [&](LedgerContext context) {
    const auto result = verify_ledger(ledger, context);
    return result ? "ok"
                  : fmt::format("{} {} {}", to_string(result.error().fault), result.error().sequence,
                                result.error().serial_id);
  };
  LedgerContext context{.site_ca = ca.certificate, .permit = permit, .accepted = {}, .is_known = {}};
  EXPECT_EQ(fault(context), "ok");
  context.is_known_serial = [&](const SerialNumber& serial) { return serial == ledger.entries[1].certificate_serial; };
  EXPECT_EQ(fault(context), "reused_serial 2 unit-2");
  context.is_known_serial = {};
  context.is_known_key = [&](const Sha256Digest& key) { return key == ledger.entries[0].spki; };
  EXPECT_EQ(fault(context), "reused_key 1 unit-1");
}

TEST_F(Ledger, WhatCannotBeLookedUpIsNotNew) {
  LedgerExport ledger = make(2);
  const auto failing = [](const auto&) -> Result<bool> { return fail(Errc::unavailable, "disk: does not answer"); };
  const LedgerContext sound{.site_ca = ca.certificate, .permit = permit, .accepted = {}, .is_known = {}};
  for (int which = 0; which < 3; ++which) {
    LedgerContext context = sound;
    if (which == 0) context.is_known = failing;
    if (which == 1) context.is_known_serial = failing;
    if (which == 2) context.is_known_key = failing;
    const auto refused = verify_ledger(ledger, context);
    ASSERT_FALSE(refused) << which;
    EXPECT_EQ(refused.error().fault, LedgerFault::unread) << which;
    EXPECT_EQ(refused.error().error.code, Errc::unavailable) << "no fault of the site's";
  }
}

TEST_F(Ledger, TimeDoesNotGoBackBehindWhatWasAccepted) {
  LedgerExport ledger = make(2);
  LedgerContext context{.site_ca = ca.certificate, .permit = permit, .accepted = {}};
  context.accepted_at = kTestNow;
  EXPECT_TRUE(verify_ledger(ledger, context));
  context.accepted_at = kTestNow + seconds(1);
  const auto refused = verify_ledger(ledger, context);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, LedgerFault::outside_permit);
  EXPECT_EQ(refused.error().sequence, 1U);
}

TEST_F(Ledger, ACertificateThatIsNotTheEntrysIsRefused) {
  LedgerExport swapped = make(2);
  std::swap(swapped.certificates[0], swapped.certificates[1]);
  EXPECT_EQ(outcome(swapped), "wrong_certificate");
  LedgerExport renamed = make(2);
  renamed.entries[1].serial_id = *parse_serial_id("unit-9");
  sign(renamed);
  EXPECT_EQ(outcome(renamed), "foreign_namespace");
  LedgerExport key = make(1);
  key.entries[0].spki[0] = static_cast<std::uint8_t>(key.entries[0].spki[0] ^ 1U);
  sign(key);
  EXPECT_EQ(outcome(key), "wrong_certificate");
  LedgerExport garbage = make(1);
  garbage.certificates[0] = Bytes(10, 0x30);
  EXPECT_EQ(outcome(garbage), "wrong_certificate");
}

TEST_F(Ledger, OnlyTheSitesOwnCaSpeaksForIt) {
  LedgerExport ledger = make(2);
  ASSERT_TRUE(sign_ledger_export(ledger, *tree.root_key));
  EXPECT_EQ(outcome(ledger), "bad_signature");
  LedgerExport moved = make(2);
  moved.exported_at = moved.exported_at + seconds(1);
  EXPECT_EQ(outcome(moved), "bad_signature");
  LedgerExport site = make(2);
  site.site = *parse_site_name("site-8");
  sign(site);
  EXPECT_EQ(outcome(site), "foreign_site");
  LedgerExport later_permit = make(2);
  later_permit.permit_number = 4;
  sign(later_permit);
  EXPECT_EQ(outcome(later_permit), "foreign_site");
  const TestCa web = tree.make_ca(ProfileId::web_ca);
  const auto result =
      verify_ledger(make(1), {.site_ca = web.certificate, .permit = permit, .accepted = {}, .is_known = {}});
  EXPECT_EQ(result.error().fault, LedgerFault::foreign_site);
}

TEST_F(Ledger, AnExportWithoutEntriesIsNone) {
  LedgerExport ledger = make(1);
  ledger.certificates.clear();
  EXPECT_FALSE(parse_ledger_export(encode_ledger_export(ledger)));
  ledger.entries.clear();
  EXPECT_FALSE(parse_ledger_export(encode_ledger_export(ledger)));
  EXPECT_FALSE(sign_ledger_export(ledger, *ca.key));
  EXPECT_EQ(outcome(ledger), "malformed");
}

TEST(Permit, WhatIsWrittenIsReadAndNonsenseIsNot) {
  const SitePermit sound{.number = 1,
                         .installation = "test",
                         .site = *parse_site_name("site-7"),
                         .name_space = *parse_dns_name("site-7.factory.devices.example"),
                         .serial_prefix = "s7-",
                         .count = 5,
                         .not_before = kTestNow,
                         .not_after = kTestNow + kDay};
  EXPECT_EQ(*parse_permit(encode_permit(sound)), sound);
  const auto refused = [&](auto change) {
    SitePermit permit = sound;
    change(permit);
    return !parse_permit(encode_permit(permit));
  };
  EXPECT_TRUE(refused([](SitePermit& p) { p.number = 0; }));
  EXPECT_TRUE(refused([](SitePermit& p) { p.count = 0; }));
  EXPECT_TRUE(refused([](SitePermit& p) { p.installation.clear(); }));
  EXPECT_TRUE(refused([](SitePermit& p) { p.site = *parse_site_name("site-8"); }));
  EXPECT_TRUE(refused([](SitePermit& p) { p.name_space = *parse_dns_name("devices.example"); }));
  EXPECT_TRUE(refused([](SitePermit& p) { p.serial_prefix = ""; }));
  EXPECT_TRUE(refused([](SitePermit& p) { p.serial_prefix = "A"; }));
  EXPECT_TRUE(refused([](SitePermit& p) { p.not_after = p.not_before; }));
  const Bytes bytes = encode_permit(sound);
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(parse_permit(ByteView(bytes).first(size)));
}

}  // namespace
}  // namespace sallyport::pki
