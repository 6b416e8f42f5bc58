// The transparency log of a running authority: what is in it, and the proofs that devices and people get.
#include <algorithm>

#include "authority/snapshot_builder.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "installation.h"
#include "tlog/proof.h"

namespace sallyport::integration {
namespace {

// The key of the log, as whoever has the root learns it from an answer.
Result<tlog::NoteKey> key_of(Installation& t, const records::CertificateChain& answer,
                             const pki::Certificate& control) {
  TRY(auto leaf, pki::parse_certificate(answer.log_key));
  const std::vector<pki::Certificate> chain = {leaf, control};
  const std::vector<pki::Certificate> anchors = {t.root()};
  TRY_VOID(
      pki::verify_chain(chain, anchors, pki::ControlPurpose{pki::ControlKind::checkpoint}, pki::TimeRule::clock(kNow)));
  return tlog::NoteKey::create(tlog::origin_of(kZone.get()), leaf.public_key());
}

Result<pki::Certificate> control_ca(Installation& t) {
  std::optional<Bytes> der;
  t.read([&](records::Records& records) -> Result<void> {
    TRY(der, records::find_ca_certificate(records, records::CaName("control-ca")));
    return {};
  });
  return pki::parse_certificate(der.value_or(Bytes{}));
}

net::Task<void> enrolment_has_its_proof(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto answer = co_await t.enrol(gateway, device, key);
  CO_ASSERT(answer.has_value());
  const auto control = control_ca(t);
  CO_ASSERT(control.has_value());
  const auto log_key = key_of(t, *answer, *control);
  CO_ASSERT(log_key.has_value());
  const auto proof = tlog::parse_log_proof(answer->log_proof);
  CO_ASSERT(proof.has_value());
  const auto proven = tlog::verify_log_proof(*proof, answer->certificates.front(), *log_key);
  EXPECT_TRUE(proven.has_value()) << proven.error().detail;
  EXPECT_FALSE(tlog::verify_log_proof(*proof, answer->certificates.back(), *log_key).has_value());
  // The same certificate again has a proof again, perhaps of a later checkpoint.
  auto again = co_await t.enrol(gateway, device, key);
  CO_ASSERT(again.has_value());
  const auto second = tlog::parse_log_proof(again->log_proof);
  CO_ASSERT(second.has_value());
  EXPECT_EQ(second->index, proof->index);
}
TEST(Log, AnEnrolmentAnswerProvesThatItsCertificateIsInIt) {
  Installation t;
  run(t, enrolment_has_its_proof(t));
}

net::Task<void> many_at_once(Installation& t) {
  const auto gateway = co_await t.connect("authority");
  for (int i = 0; i < 20; ++i) {
    const Device device = t.make_device(fmt::format("d-{}", i));
    auto key = crypto::PrivateKey::generate();
    auto answer = co_await t.enrol(gateway, device, key);
    CO_ASSERT(answer.has_value());
    EXPECT_FALSE(answer->log_proof.empty());
  }
  // Every row is an entry that says its own place, and each audit event is logged once, in order.
  t.read([](records::Records& records) -> Result<void> {
    TRY(const auto size, records.log().size());
    TRY(const auto entries, records.log().entries(0, 10'000));
    EXPECT_EQ(entries.size(), size);
    std::uint64_t events = 0;
    for (std::uint64_t i = 0; i < entries.size(); ++i) {
      TRY(const auto entry, tlog::parse_log_entry(entries[i]));
      EXPECT_EQ(entry.index, i);
      if (const auto* event = std::get_if<tlog::AuditEntry>(&entry.what)) EXPECT_EQ(event->sequence, ++events);
    }
    TRY(const auto head, records.audit().head());
    EXPECT_EQ(head->sequence, events);
    return {};
  });
}
TEST(Log, EveryEntryHasItsPlaceAndEveryAuditEventItsEntry) {
  Installation t;
  run(t, many_at_once(t));
}

// The fixture records without logging, as an installation did that had no log.
net::Task<void> what_was_before(Installation& t) {
  const auto administrator = co_await t.connect("admin");
  const auto answer = co_await t.administer(administrator, "log.checkpoint", codec::Json(codec::Json::Object{}));
  CO_ASSERT(answer.has_value());
  EXPECT_TRUE(answer->find("fault")->is_null());
  t.read([](records::Records& records) -> Result<void> {
    TRY(const auto all, records.certificates().list_after(0, 1'000));
    for (const auto& [number, record] : all) {
      TRY(const auto index, records.log().find_certificate(crypto::sha256(record.der)));
      EXPECT_TRUE(index.has_value()) << record.ca.get() << " " << record.subject;
    }
    const bool has_site_ca = std::ranges::any_of(all, [](const auto& each) {
      return each.record.kind == records::CertificateKind::ca && each.record.subject == "local-ca/" + kSite.get();
    });
    EXPECT_TRUE(has_site_ca);
    return {};
  });
}
TEST(Log, TakesInWhatWasRecordedBeforeThereWasOne) {
  Installation t;
  run(t, what_was_before(t));
}

net::Task<void> methods(Installation& t) {
  const auto administrator = co_await t.connect("admin");
  const auto console = co_await t.connect("authority");
  const Device device = t.make_device("d-1");
  auto key = crypto::PrivateKey::generate();
  auto answer = co_await t.enrol(console, device, key);
  CO_ASSERT(answer.has_value());
  using Object = codec::Json::Object;
  const std::string sha256 = codec::encode_hex(crypto::sha256(answer->certificates.front()));
  EXPECT_TRUE((co_await t.administer(console, "log.proof", Object{{"sha256", sha256}}, "acme")).has_value());
  EXPECT_FALSE((co_await t.administer(console, "log.proof", Object{{"sha256", std::string(64, '0')}})).has_value());
  EXPECT_TRUE((co_await t.administer(console, "log.tile", Object{{"path", "tile/0/000.p/1"}}, "acme")).has_value());
  EXPECT_FALSE(
      (co_await t.administer(console, "log.tile", Object{{"path", "tile/entries/000.p/1"}}, "acme")).has_value());
  EXPECT_TRUE((co_await t.administer(console, "log.entries", Object{{"path", "tile/entries/000.p/1"}})).has_value());
  EXPECT_FALSE(
      (co_await t.administer(console, "log.entries", Object{{"path", "tile/entries/000.p/1"}}, "acme")).has_value())
      << "entries name every tenant's devices";
  EXPECT_FALSE(
      (co_await t.administer(console, "log.records", Object{{"after", 0}, {"limit", 10}}, "acme")).has_value());
  EXPECT_TRUE((co_await t.administer(console, "log.records", Object{{"after", 0}, {"limit", 10}})).has_value());
  EXPECT_FALSE((co_await t.administer(console, "log.tile", Object{{"path", "tile/0/999"}})).has_value());
  EXPECT_TRUE((co_await t.administer(console, "log.checkpoint", Object{}, "acme")).has_value());
  EXPECT_FALSE((co_await t.administer(console, "log.list", Object{}, "acme")).has_value());
  EXPECT_FALSE((co_await t.administer(console, "log.list", Object{{"limit", 257}})).has_value());
  EXPECT_FALSE((co_await t.administer(console, "log.list", Object{{"from", -1}})).has_value());
  const auto page = co_await t.administer(console, "log.list", Object{{"from", 1}, {"limit", 2}});
  CO_ASSERT(page.has_value());
  CO_ASSERT(page->find("entries") != nullptr);
  const auto entries = page->find("entries")->array();
  CO_ASSERT(entries.has_value() && entries->size() == 2);
  EXPECT_EQ(entries->front().integer_at("index").value(), 1);
}
TEST(Log, ShowsHashesToEverybodyAndEntriesToTheInstallationAlone) {
  Installation t;
  run(t, methods(t));
}

// How often the alarm is on record.
std::size_t count_alarms(Installation& t) {
  std::size_t count = 0;
  t.read([&](records::Records& records) -> Result<void> {
    TRY(const auto found, records.audit().list({.action = "log.alarm", .limit = 100}));
    count = found.size();
    return {};
  });
  return count;
}

net::Task<void> set_back(Installation& t) {
  using Object = codec::Json::Object;
  const auto administrator = co_await t.connect("admin");
  const auto gateway = co_await t.connect("authority");
  const auto before = co_await t.administer(administrator, "log.checkpoint", Object{});
  CO_ASSERT(before.has_value());
  const auto size = static_cast<std::uint64_t>(before->integer_at("size").value());
  // As after a restore: the signer remembers a log of two entries more than there are.
  const signer::LogMark now = t.checkpoint_mark().last();
  EXPECT_EQ(now.size, size);
  t.checkpoint_mark().put({size + 2, {7}});
  for (int i = 0; i < 4; ++i) {
    const Device device = t.make_device(fmt::format("d-{}", i));
    auto key = crypto::PrivateKey::generate();
    const auto answer = co_await t.enrol(gateway, device, key);
    CO_ASSERT(answer.has_value());
    EXPECT_TRUE(answer->log_proof.empty()) << "devices are not stranded, and get no proof";
  }
  const auto refused = co_await t.administer(administrator, "log.checkpoint", Object{});
  CO_ASSERT(refused.has_value());
  EXPECT_TRUE(refused->boolean_at("was_set_back").value());
  EXPECT_EQ(refused->text_at("checkpoint").value(), before->text_at("checkpoint").value())
      << "the last that was signed";
  EXPECT_EQ(count_alarms(t), 1U);
  t.checkpoint_mark().put(now);
  const auto after = co_await t.administer(administrator, "log.checkpoint", Object{});
  CO_ASSERT(after.has_value());
  EXPECT_FALSE(after->boolean_at("was_set_back").value());
  EXPECT_GT(static_cast<std::uint64_t>(after->integer_at("size").value()), size + 2);
}
TEST(Log, ThatWasSetBackIsNotSignedAndToldOnce) {
  Installation t;
  run(t, set_back(t));
}

const records::CaName kRetired = records::older_ca_name(records::kRetiredRoot, "0c");

net::Task<void> retired_root_is_told(Installation& t) {
  const auto administrator = co_await t.connect("admin");
  const auto told = co_await t.administer(administrator, "log.checkpoint", codec::Json(codec::Json::Object{}));
  CO_ASSERT(told.has_value());
  const auto roots = pki::parse_certificates_pem(told->text_at("root").value());
  CO_ASSERT(roots.has_value());
  EXPECT_EQ(roots->size(), 2U);
  t.read([&](records::Records& records) -> Result<void> {
    TRY(const auto cas, authority::read_snapshot_cas(records));
    EXPECT_EQ(std::ranges::count(cas, kRetired, &records::SnapshotCa::name), 0) << "no role trusts it any more";
    return {};
  });
}
TEST(Log, IsStillJudgedByARootThatNobodyTrustsAnyMore) {
  Installation t;
  t.stop_authority();
  t.io().run_for(milliseconds(50));
  t.write([&](records::Records& records) {
    return records::put_older_cas(records, {{kRetired, to_bytes(t.root().der())}});
  });
  t.start_authority();
  run(t, retired_root_is_told(t));
}

}  // namespace
}  // namespace sallyport::integration
