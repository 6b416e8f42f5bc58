#include "signer/signer.h"

#include <gtest/gtest.h>

#include <functional>

#include "crypto/system_random.h"
#include "pki/issue.h"
#include "pki/permit.h"
#include "pki/signed_object.h"
#include "pki/snapshot_manifest.h"
#include "signer/detail/rules.h"
#include "signer/key_folder.h"
#include "tlog/checkpoint.h"
#include "tlog/merkle.h"
#include "tunnel/grant.h"

namespace sallyport::signer {
namespace {

using pki::ControlKind;
using pki::ProfileId;

constexpr UnixTime kNow{1'800'000'000};

// A root, the six online CAs and the control keys of an installation with the zone "devices.example".
class SignerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = make_root();
    Keys keys;
    for (const char* name : {"online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca"})
      keys.cas.push_back(make_ca(name));
    // One that the present online-ca has replaced.
    auto replaced = make_ca("online-ca", "online-ca@1f");
    keys.cas.push_back(std::move(replaced));
    for (const auto kind : kControlKinds) {
      auto key = std::make_unique<crypto::PrivateKey>(crypto::PrivateKey::generate(control_key_type(kind)));
      control_keys_.emplace(kind, key->public_key());
      keys.control.push_back({.kind = kind, .key = std::move(key)});
    }
    keys.checkpoint_mark = std::make_unique<MemoryMark>();
    auto made = Signer::create(std::move(keys), clock_);
    ASSERT_TRUE(made) << made.error().detail;
    signer_ = std::make_unique<Signer>(*std::move(made));
  }

  std::optional<pki::Certificate> make_root() {
    const auto& profile = pki::profile(ProfileId::root);
    const pki::CertificateFields fields{.common_name = "Sallyport root test",
                                        .public_key = root_key_.public_key(),
                                        .validity = pki::choose_validity(profile, nullptr, kNow, profile.longest),
                                        .serial = pki::SerialNumber::draw(random_)};
    auto linted = pki::prepare_self_signed(profile, fields, kNow);
    EXPECT_TRUE(linted) << linted.error().detail;
    return *pki::issue(*std::move(linted), root_key_);
  }

  CaKey make_ca(const std::string& name) { return make_ca(name, name); }
  CaKey make_ca(const std::string& name, const std::string& known_as) {
    auto key = std::make_unique<crypto::PrivateKey>(crypto::PrivateKey::generate());
    const auto& profile = pki::profile(pki::ca_profile_of(*pki::ca_kind_of(name)));
    const DnsName zone("devices.example");
    std::vector<std::string> permitted{zone.get()};
    if (name == "server-ca") permitted = {"gateway.devices.example", "relay.devices.example", "console.example"};
    if (name == "people-ca") permitted = {pki::people_namespace(zone).get()};
    if (name == "roles-ca") permitted = {pki::roles_namespace(zone).get()};
    if (name == "control-ca") permitted = {};
    const pki::CertificateFields fields{.common_name = "Sallyport " + name + " test",
                                        .public_key = key->public_key(),
                                        .validity = pki::choose_validity(profile, &*root_, kNow, profile.longest),
                                        .serial = pki::SerialNumber::draw(random_),
                                        .permitted_dns = permitted};
    auto linted = pki::prepare(profile, fields, *root_, kNow);
    EXPECT_TRUE(linted) << name << ": " << linted.error().detail;
    auto certificate = *pki::issue(*std::move(linted), root_key_);
    certificates_.emplace(known_as, certificate);
    return {.name = known_as, .certificate = certificate, .key = std::move(key)};
  }

  pki::IssueCertificate order(const std::string& ca, ProfileId profile, std::vector<std::string> names,
                              const crypto::PublicKey& key) {
    return {.ca = ca,
            .profile = profile,
            .fields = {
                .common_name = "somebody",
                .dns_names = std::move(names),
                .public_key = key,
                .validity = pki::choose_validity(pki::profile(profile), &certificates_.at(ca), clock_.now(), 20 * kDay),
                .serial = pki::SerialNumber::draw(random_)}};
  }

  // The error of a request that must be refused.
  Error refusal(const pki::SigningRequest& request) {
    auto answer = signer_->answer(request);
    auto* error = std::get_if<Error>(&answer);
    EXPECT_NE(error, nullptr) << "was signed";
    return error == nullptr ? Error{} : *error;
  }
  pki::Certificate issued(const pki::IssueCertificate& request) {
    auto answer = signer_->answer(request);
    auto* certificate = std::get_if<pki::IssuedCertificate>(&answer);
    if (certificate == nullptr) ADD_FAILURE() << std::get<Error>(answer).detail;
    return *pki::parse_certificate(certificate->der);
  }
  void certify_control_keys() {
    for (const auto& [kind, key] : control_keys_)
      static_cast<void>(issued(order("control-ca", pki::profile_of(kind), {}, key)));
  }

  tunnel::AccessGrant grant() {
    return {.id = tunnel::draw_grant_id(random_),
            .user_id = "alice",
            .user_display = "Alice",
            .device = draw_device_name(random_),
            .service = ServiceName("web"),
            .label = draw_grant_label(random_),
            .console_origin = "https://console.example",
            .issued = clock_.now(),
            .expires = clock_.now() + seconds(300),
            .session_end = clock_.now() + seconds(3'600)};
  }
  pki::SitePermit permit() {
    const SiteName site("acme");
    return {.number = 1,
            .installation = "test",
            .site = site,
            .name_space = pki::factory_namespace(site, DnsName("devices.example")),
            .count = 10,
            .not_before = clock_.now(),
            .not_after = clock_.now() + 30 * kDay};
  }
  pki::SignObject object(ControlKind kind, Bytes payload) { return {.kind = kind, .payload = std::move(payload)}; }
  pki::SignObject snapshot(std::uint64_t number, std::uint64_t base, UnixTime at) {
    return object(ControlKind::snapshot,
                  pki::encode_snapshot_manifest({.number = number, .base = base, .issued_at = at, .portions = {{}}}));
  }

  ManualClock clock_{kNow};
  crypto::SystemRandom random_;
  crypto::PrivateKey root_key_ = crypto::PrivateKey::generate();
  crypto::PrivateKey device_key_ = crypto::PrivateKey::generate();
  std::optional<pki::Certificate> root_;
  std::map<std::string, pki::Certificate> certificates_;
  std::map<ControlKind, crypto::PublicKey> control_keys_;
  std::unique_ptr<Signer> signer_;
};

TEST_F(SignerTest, IssuesWhatItsTableLists) {
  const auto& key = device_key_.public_key();
  const std::vector<pki::IssueCertificate> allowed{
      order("online-ca", ProfileId::operational_device, {"abcdefgh23.devices.example"}, key),
      order("web-ca", ProfileId::web_device, {"abcdefgh23.devices.example", "*.abcdefgh23.devices.example"}, key),
      order("server-ca", ProfileId::server, {"gateway.devices.example"}, key),
      order("roles-ca", ProfileId::role, {"relay.internal.devices.example"}, key),
      order("people-ca", ProfileId::person, {}, key),
      order("server-ca", ProfileId::ocsp_signer, {}, key),
      order("control-ca", ProfileId::grant_signer, {}, control_keys_.at(ControlKind::grant)),
  };
  for (const auto& request : allowed) {
    const auto certificate = issued(request);
    EXPECT_TRUE(certificate.public_key() == request.fields.public_key);
    EXPECT_EQ(certificate.serial(), request.fields.serial);
    EXPECT_TRUE(certificates_.at(request.ca)
                    .public_key()
                    .verify(certificate.signature_scheme(), certificate.tbs(), certificate.signature()))
        << request.ca;
  }
}

TEST_F(SignerTest, RefusesProfilesThatTheCaDoesNotIssue) {
  const auto& key = device_key_.public_key();
  const std::vector<pki::IssueCertificate> forbidden{
      order("online-ca", ProfileId::web_device, {"abcdefgh23.devices.example", "*.abcdefgh23.devices.example"}, key),
      order("web-ca", ProfileId::server, {"gateway.devices.example"}, key),
      order("online-ca", ProfileId::server, {"gateway.devices.example"}, key),
      order("control-ca", ProfileId::licence_signer, {}, key),
      order("server-ca", ProfileId::web_ca_twin, {}, key),
  };
  for (const auto& request : forbidden) EXPECT_EQ(refusal(request).code, Errc::unauthorized) << request.ca;
  for (const auto profile : {ProfileId::root, ProfileId::root_link, ProfileId::online_ca, ProfileId::server_ca,
                             ProfileId::local_ca, ProfileId::control_ca, ProfileId::factory_device}) {
    EXPECT_EQ(refusal(order("online-ca", profile, {}, key)).code, Errc::unauthorized) << pki::profile(profile).name;
  }
}

TEST_F(SignerTest, RefusesFieldsOutsideTheProfile) {
  const auto& key = device_key_.public_key();
  const auto good = order("online-ca", ProfileId::operational_device, {"abcdefgh23.devices.example"}, key);
  const std::vector<std::pair<const char*, std::function<void(pki::IssueCertificate&)>>> faults{
      {"another zone", [](auto& r) { r.fields.dns_names = {"abcdefgh23.devices.attacker"}; }},
      {"a reserved name", [](auto& r) { r.fields.dns_names = {"gateway.devices.example"}; }},
      {"a wildcard", [](auto& r) { r.fields.dns_names = {"*.devices.example"}; }},
      {"a second name", [](auto& r) { r.fields.dns_names.emplace_back("zyxwvuts23.devices.example"); }},
      {"no name", [](auto& r) { r.fields.dns_names.clear(); }},
      {"ten years", [](auto& r) { r.fields.validity.not_after = kNow + 3'650 * kDay; }},
      {"yesterday", [](auto& r) { r.fields.validity.not_before = kNow - 2 * kDay; }},
      {"a chosen serial", [](auto& r) { r.fields.serial = pki::SerialNumber(); }},
      {"permitted subtrees", [](auto& r) { r.fields.permitted_dns = {"devices.example"}; }},
      {"a next root", [](auto& r) { r.fields.next_root_key = crypto::sha256(as_bytes("x")); }},
      {"a CA that is not here", [](auto& r) { r.ca = "local-ca/acme"; }},
      {"the root", [](auto& r) { r.ca = "root"; }},
  };
  for (const auto& [what, spoil] : faults) {
    auto request = good;
    spoil(request);
    EXPECT_EQ(refusal(request).code, Errc::unauthorized) << what;
  }
  static_cast<void>(issued(good));
}

TEST_F(SignerTest, NeverCertifiesItsOwnKeysForAnybodyElse) {
  for (const auto& [name, ca] : certificates_) {
    EXPECT_EQ(refusal(order("server-ca", ProfileId::server, {"gateway.devices.example"}, ca.public_key())).code,
              Errc::unauthorized)
        << name;
  }
  const auto& grant_key = control_keys_.at(ControlKind::grant);
  EXPECT_EQ(refusal(order("server-ca", ProfileId::server, {"gateway.devices.example"}, grant_key)).code,
            Errc::unauthorized);
  EXPECT_EQ(refusal(order("control-ca", ProfileId::permit_signer, {}, grant_key)).code, Errc::unauthorized);
  EXPECT_EQ(refusal(order("control-ca", ProfileId::grant_signer, {}, device_key_.public_key())).code,
            Errc::unauthorized);
}

TEST_F(SignerTest, SealsNothingBeforeItsControlCertificateExists) {
  EXPECT_EQ(refusal(object(ControlKind::grant, tunnel::encode_grant(grant()))).code, Errc::expired);
}

TEST_F(SignerTest, SealsGrantsThatVerifyUpToTheRoot) {
  certify_control_keys();
  const auto wanted = grant();
  auto answer = signer_->answer(object(ControlKind::grant, tunnel::encode_grant(wanted)));
  ASSERT_TRUE(std::holds_alternative<pki::SealedObject>(answer)) << std::get<Error>(answer).detail;
  const auto& sealed = std::get<pki::SealedObject>(answer).bytes;
  const std::array anchors{*root_};
  const auto opened = pki::open_object(ControlKind::grant, sealed, anchors, pki::TimeRule::clock(kNow));
  ASSERT_TRUE(opened) << opened.error().error.detail;
  EXPECT_EQ(*tunnel::parse_grant(opened->payload()), wanted);
  EXPECT_FALSE(pki::open_object(ControlKind::snapshot, sealed, anchors, pki::TimeRule::clock(kNow)));
}

TEST_F(SignerTest, RefusesGrantsOutsideTheirTime) {
  certify_control_keys();
  for (const seconds off : {seconds(-61), seconds(61), seconds(-86'400)}) {
    auto late = grant();
    late.issued = kNow + off;
    late.expires = late.issued + seconds(300);
    late.session_end = late.issued + seconds(600);
    EXPECT_EQ(refusal(object(ControlKind::grant, tunnel::encode_grant(late))).code, Errc::unauthorized) << off.count();
  }
  EXPECT_EQ(refusal(object(ControlKind::grant, to_bytes(as_bytes("no grant")))).code, Errc::malformed);
  EXPECT_EQ(refusal(object(ControlKind::grant, pki::encode_permit(permit()))).code, Errc::malformed);
}

TEST_F(SignerTest, ControlCertificatesEndAndAreReplaced) {
  certify_control_keys();
  clock_.advance(31 * kDay);
  EXPECT_EQ(refusal(object(ControlKind::grant, tunnel::encode_grant(grant()))).code, Errc::expired);
  static_cast<void>(issued(order("control-ca", ProfileId::grant_signer, {}, control_keys_.at(ControlKind::grant))));
  EXPECT_TRUE(std::holds_alternative<pki::SealedObject>(
      signer_->answer(object(ControlKind::grant, tunnel::encode_grant(grant())))));
}

TEST_F(SignerTest, SnapshotNumbersNeverFall) {
  certify_control_keys();
  const auto seals = [&](std::uint64_t number, std::uint64_t base) {
    return std::holds_alternative<pki::SealedObject>(signer_->answer(snapshot(number, base, kNow)));
  };
  EXPECT_TRUE(seals(7, 0));
  EXPECT_TRUE(seals(8, 7));
  EXPECT_TRUE(seals(8, 0));
  EXPECT_EQ(refusal(snapshot(7, 0, kNow)).code, Errc::conflict);
  EXPECT_EQ(refusal(snapshot(9, 0, kNow - seconds(61))).code, Errc::unauthorized);
  EXPECT_TRUE(seals(9, 8));
}

TEST_F(SignerTest, PermitsAreForThisZoneAndNotForEver) {
  certify_control_keys();
  EXPECT_TRUE(std::holds_alternative<pki::SealedObject>(
      signer_->answer(object(ControlKind::permit, pki::encode_permit(permit())))));
  auto foreign = permit();
  foreign.name_space = pki::factory_namespace(foreign.site, DnsName("devices.attacker"));
  EXPECT_EQ(refusal(object(ControlKind::permit, pki::encode_permit(foreign))).code, Errc::unauthorized);
  auto endless = permit();
  endless.not_after = kNow + 3'650 * kDay;
  EXPECT_EQ(refusal(object(ControlKind::permit, pki::encode_permit(endless))).code, Errc::unauthorized);
  EXPECT_EQ(refusal(object(ControlKind::licence, Bytes{1})).code, Errc::unauthorized);
}

TEST_F(SignerTest, CheckpointsAreNotesOfTheZonesOwnOrigin) {
  EXPECT_EQ(refusal(pki::SignCheckpoint{.size = 1}).code, Errc::expired);
  certify_control_keys();
  const auto answer = signer_->answer(pki::SignCheckpoint{.size = 3, .root = {7}});
  ASSERT_TRUE(std::holds_alternative<pki::SignedCheckpoint>(answer)) << std::get<Error>(answer).detail;
  const auto key = tlog::NoteKey::create("devices.example/log", control_keys_.at(ControlKind::checkpoint));
  ASSERT_TRUE(key);
  const auto opened = tlog::open_checkpoint(std::get<pki::SignedCheckpoint>(answer).note, *key);
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(opened->size, 3U);
  EXPECT_EQ(opened->root, tlog::Hash{7});
  EXPECT_EQ(refusal(object(ControlKind::checkpoint, Bytes{1})).code, Errc::unauthorized);
}

// The order for the head of `log`, with the proof that it continues its first `continues` entries.
pki::SignCheckpoint head_of(const std::vector<tlog::Hash>& log, std::uint64_t continues) {
  const auto leaf = [&](unsigned height, std::uint64_t index) -> Result<tlog::Hash> {
    tlog::GrowingTree tree;
    for (std::uint64_t i = index << height; i < (index + 1) << height; ++i) tree.append(log.at(i));
    return tree.root();
  };
  pki::SignCheckpoint out{
      .size = log.size(), .root = tlog::range_hash({0, log.size()}, leaf).value(), .continues = continues, .proof = {}};
  for (const tlog::Range& range : tlog::consistency_ranges(continues, log.size()))
    out.proof.push_back(tlog::range_hash(range, leaf).value());
  return out;
}

TEST_F(SignerTest, LogNeverFallsAndNeverForks) {
  certify_control_keys();
  const auto answer = [&](const pki::SignCheckpoint& order) { return signer_->answer(order); };
  const auto signs = [&](const pki::SignCheckpoint& order) {
    return std::holds_alternative<pki::SignedCheckpoint>(answer(order));
  };
  std::vector<tlog::Hash> log(5);
  for (std::size_t i = 0; i < log.size(); ++i) log[i] = {static_cast<std::uint8_t>(i)};
  EXPECT_TRUE(signs(head_of(log, 0)));
  EXPECT_TRUE(signs(head_of(log, 5))) << "the same again";
  // A database that was set back to four entries, and grew again: to fewer, as many and more than were signed.
  std::vector<tlog::Hash> back(log.begin(), log.end() - 1);
  EXPECT_EQ(refusal(head_of(back, 0)).code, Errc::conflict);
  for (std::uint8_t again = 0; again < 9; ++again) {
    back.push_back({0xF0, again});
    EXPECT_EQ(refusal(head_of(back, 5)).code, Errc::conflict) << back.size();
  }
  log.push_back({6});
  // From where it stands: the authority may not know, when a crash kept it from remembering.
  const auto position = answer(head_of(log, 3));
  ASSERT_TRUE(std::holds_alternative<pki::LogPosition>(position));
  EXPECT_EQ(std::get<pki::LogPosition>(position).size, 5U);
  auto bare = head_of(log, 5);
  bare.proof.clear();
  EXPECT_EQ(refusal(bare).code, Errc::conflict);
  EXPECT_TRUE(signs(head_of(log, 5)));
}

TEST_F(SignerTest, CrlNumbersRiseAndDatesAreNear) {
  const auto crl = [&](std::uint64_t number) {
    return pki::SignCrl{.ca = "server-ca",
                        .fields = {.number = number, .this_update = kNow, .next_update = kNow + kDay}};
  };
  auto answer = signer_->answer(crl(5));
  ASSERT_TRUE(std::holds_alternative<pki::SignedCrl>(answer)) << std::get<Error>(answer).detail;
  const auto parsed = pki::parse_crl(std::get<pki::SignedCrl>(answer).der);
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(pki::verify_crl(*parsed, certificates_.at("server-ca"), pki::TimeRule::clock(kNow)));
  EXPECT_EQ(refusal(crl(5)).code, Errc::conflict);
  EXPECT_EQ(refusal(crl(4)).code, Errc::conflict);
  auto year = crl(6);
  year.fields.next_update = kNow + 365 * kDay;
  EXPECT_EQ(refusal(year).code, Errc::unauthorized);
  auto old = crl(6);
  old.fields.this_update = kNow - kDay;
  EXPECT_EQ(refusal(old).code, Errc::unauthorized);
  auto unknown = crl(6);
  unknown.ca = "root";
  EXPECT_EQ(refusal(unknown).code, Errc::unauthorized);
  EXPECT_TRUE(std::holds_alternative<pki::SignedCrl>(signer_->answer(crl(6))));
}

TEST_F(SignerTest, TwinsSayWhatTheirCaSays) {
  const auto& ca = certificates_.at("web-ca");
  auto twin = order("web-ca", ProfileId::web_ca_twin, {}, ca.public_key());
  twin.fields.common_name = "Sallyport web-ca test";
  twin.fields.permitted_dns = {"devices.example"};
  EXPECT_TRUE(issued(twin).is_self_issued());
  auto wider = twin;
  wider.fields.permitted_dns = {"example"};
  EXPECT_EQ(refusal(wider).code, Errc::unauthorized);
  auto renamed = twin;
  renamed.fields.common_name = "Honest CA";
  EXPECT_EQ(refusal(renamed).code, Errc::unauthorized);
  auto foreign = twin;
  foreign.fields.public_key = device_key_.public_key();
  EXPECT_EQ(refusal(foreign).code, Errc::unauthorized);
}

TEST_F(SignerTest, AnswersBytesThatAreNoRequestWithAnError) {
  for (const auto& bytes : {Bytes{}, Bytes{0xFF}, Bytes(1'000, 0x00)}) {
    const auto answer = pki::parse_signing_answer(signer_->answer_bytes(bytes));
    ASSERT_TRUE(answer);
    ASSERT_TRUE(std::holds_alternative<Error>(*answer));
    EXPECT_EQ(std::get<Error>(*answer).code, Errc::malformed);
  }
}

TEST_F(SignerTest, IsNotMadeOfKeysThatDoNotBelongTogether) {
  const auto refused = [&](std::vector<CaKey> cas) {
    Keys keys;
    keys.cas = std::move(cas);
    const auto made = Signer::create(std::move(keys), clock_);
    return !made && made.error().code == Errc::conflict;
  };
  const auto list = [](CaKey one) {
    std::vector<CaKey> cas;
    cas.push_back(std::move(one));
    return cas;
  };
  EXPECT_TRUE(refused({}));
  auto wrong_key = make_ca("online-ca");
  wrong_key.key = std::make_unique<crypto::PrivateKey>(crypto::PrivateKey::generate());
  EXPECT_TRUE(refused(list(std::move(wrong_key))));
  auto renamed = make_ca("web-ca");
  renamed.name = "online-ca";
  EXPECT_TRUE(refused(list(std::move(renamed))));
  auto twice = list(make_ca("online-ca"));
  twice.push_back(make_ca("online-ca"));
  EXPECT_TRUE(refused(std::move(twice)));
  EXPECT_FALSE(refused(list(make_ca("online-ca"))));
}

TEST_F(SignerTest, ACaThatWasReplacedStillCertifiesWhoSpeaksOfItsStatus) {
  const auto key = crypto::PrivateKey::generate();
  const auto delegate = issued(order("online-ca@1f", ProfileId::ocsp_signer, {}, key.public_key()));
  EXPECT_TRUE(pki::lint(pki::profile(ProfileId::ocsp_signer), delegate, &certificates_.at("online-ca@1f")));
  EXPECT_FALSE(pki::lint(pki::profile(ProfileId::ocsp_signer), delegate, &certificates_.at("online-ca")));
}

TEST_F(SignerTest, ACaThatWasReplacedIssuesNothingElse) {
  const auto key = crypto::PrivateKey::generate();
  for (const auto profile : {ProfileId::operational_device, ProfileId::web_device, ProfileId::server, ProfileId::role,
                             ProfileId::person, ProfileId::grant_signer, ProfileId::server_ca_twin}) {
    const auto error = refusal(order("online-ca@1f", profile, {"abcdefghij.devices.example"}, key.public_key()));
    EXPECT_EQ(error.code, Errc::unauthorized) << pki::profile(profile).name;
  }
}

TEST_F(SignerTest, AReplacedCaThatIsNotHereSignsNothing) {
  const auto key = crypto::PrivateKey::generate();
  auto request = order("online-ca@1f", ProfileId::ocsp_signer, {}, key.public_key());
  for (const char* name : {"online-ca@20", "online-ca@", "local-ca@1f", "root@1f", "@1f"}) {
    request.ca = name;
    EXPECT_EQ(refusal(request).code, Errc::unauthorized) << name;
  }
}

}  // namespace
}  // namespace sallyport::signer
