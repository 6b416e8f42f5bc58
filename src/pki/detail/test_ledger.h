// A factory with some devices on its ledger. For tests alone.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "pki/detail/test_tree.h"
#include "pki/ledger.h"

namespace sallyport::pki {

class TestLedger : public testing::Test {
 protected:
  TestTree tree;
  TestCa ca = tree.make_ca(ProfileId::local_ca);
  SitePermit permit{.number = 3,
                    .installation = "test",
                    .site = *parse_site_name("site-7"),
                    .name_space = *parse_dns_name("site-7.factory.devices.example"),
                    .serial_prefix = "unit-",
                    .count = 10,
                    .not_before = kTestNow - kDay,
                    .not_after = kTestNow + kDay * 300};

  LedgerExport make(int count) {
    LedgerExport out{.site = permit.site,
                     .permit_number = 3,
                     .entries = {},
                     .certificates = {},
                     .exported_at = kTestNow,
                     .signature = {}};
    for (int i = 1; i <= count; ++i) add(out, "unit-" + std::to_string(i));
    sign(out);
    return out;
  }
  void add(LedgerExport& ledger, const std::string& id) {
    const TestLeaf leaf = tree.make_leaf(ProfileId::factory_device, ca, {id + ".site-7.factory.devices.example"}, id);
    add_certificate(ledger, id, leaf.certificate);
  }
  static void add_certificate(LedgerExport& ledger, const std::string& id, const Certificate& certificate) {
    const std::uint64_t sequence = ledger.entries.empty() ? 0 : ledger.entries.back().sequence;
    const Sha256Digest head = ledger.entries.empty() ? Sha256Digest{} : entry_hash(ledger.entries.back());
    ledger.entries.push_back(next_entry(sequence, head, *parse_serial_id(id), certificate, kTestNow));
    ledger.certificates.push_back(to_bytes(certificate.der()));
  }
  // Makes the chain whole again after an entry was changed.
  void relink(LedgerExport& ledger) {
    for (std::size_t i = 1; i < ledger.entries.size(); ++i)
      ledger.entries[i].previous = entry_hash(ledger.entries[i - 1]);
    sign(ledger);
  }
  void sign(LedgerExport& ledger) { ASSERT_TRUE(sign_ledger_export(ledger, *ca.key)); }
  std::string outcome(const LedgerExport& ledger, LedgerHead accepted = {},
                      std::function<Result<bool>(const SerialId&)> known = {}) {
    const auto result = verify_ledger(
        ledger, {.site_ca = ca.certificate, .permit = permit, .accepted = accepted, .is_known = std::move(known)});
    return result ? "ok " + std::to_string(result->entries.size()) : std::string(to_string(result.error().fault));
  }
};

}  // namespace sallyport::pki
