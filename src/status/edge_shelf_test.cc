#include "status/edge_shelf.h"

#include <gtest/gtest.h>

#include "codec/text.h"
#include "crypto/system_random.h"
#include "pki/issue.h"
#include "pki/ocsp.h"

namespace sallyport::status {
namespace {

constexpr UnixTime kShelfTime{1'780'315'200};  // 2026-06-01T12:00:00Z
const records::CaName kServerCa("server-ca");

struct Issued {
  crypto::PrivateKey key = crypto::PrivateKey::generate();
  std::optional<pki::Certificate> certificate;
};

// A root with a CA and its delegate, as a status host would have them.
class Tree {
 public:
  Tree() {
    root_ = issue(pki::ProfileId::root, nullptr, {});
    server_ca = issue(pki::ProfileId::server_ca, &root_, {.permitted = {"devices.example"}});
    delegate = issue(pki::ProfileId::ocsp_signer, &server_ca, {});
    gateway = issue(pki::ProfileId::server, &server_ca, {.names = {"gateway.devices.example"}});
    other = issue(pki::ProfileId::server, &server_ca, {.names = {"relay.devices.example"}});
  }
  struct Names {
    std::vector<std::string> names = {}, permitted = {};
  };
  Issued issue(pki::ProfileId id, Issued* issuer, const Names& names, UnixTime at = kShelfTime) {
    Issued out;
    const auto& profile = pki::profile(id);
    const pki::Certificate* above = issuer == nullptr ? nullptr : &*issuer->certificate;
    const bool is_ca = profile.is_ca();
    const pki::CertificateFields fields{.common_name = is_ca ? pki::ca_common_name(profile.name, "test") : "leaf",
                                        .dns_names = names.names,
                                        .public_key = out.key.public_key(),
                                        .validity = pki::choose_validity(profile, above, at, profile.longest),
                                        .serial = pki::SerialNumber::draw(random_),
                                        .permitted_dns = names.permitted};
    auto linted =
        above == nullptr ? pki::prepare_self_signed(profile, fields, at) : pki::prepare(profile, fields, *above, at);
    EXPECT_TRUE(linted) << linted.error().detail;
    out.certificate = *pki::issue(*std::move(linted), above == nullptr ? out.key : issuer->key);
    return out;
  }
  Bytes crl(std::uint64_t number, std::vector<pki::SerialNumber> revoked = {}) {
    return list(root_, number, std::move(revoked), 90 * kDay);
  }
  Bytes list(Issued& of, std::uint64_t number, std::vector<pki::SerialNumber> revoked = {}, seconds life = kDay) {
    pki::CrlFields fields{.number = number, .this_update = kShelfTime, .next_update = kShelfTime + life};
    for (const auto& serial : revoked) fields.entries.push_back({.serial = serial, .revoked_at = kShelfTime});
    return *pki::build_crl(*of.certificate, std::move(fields), of.key);
  }
  const pki::Certificate& root() const { return *root_.certificate; }

  Issued server_ca, delegate, gateway, other;

 private:
  Issued root_;
  crypto::SystemRandom random_;
};

// What an answer says, good and now unless told otherwise.
struct What {
  pki::CertificateStatus status = pki::GoodStatus{};
  UnixTime at = kShelfTime;
  seconds life{900};
  std::optional<Bytes> nonce = std::nullopt;
  pki::CertIdHash hash = pki::CertIdHash::sha256;
};

class EdgeShelfTest : public testing::Test {
 protected:
  Bytes sign(const Issued& subject, const What& what, Issued& by, const Issued& issuer) {
    const auto id = pki::make_cert_id(what.hash, *issuer.certificate, subject.certificate->serial());
    const pki::OcspAnswer answer{.responses = {{.id = id,
                                                .status = what.status,
                                                .this_update = what.at,
                                                .next_update = what.at + what.life,
                                                .crl_number = std::nullopt}},
                                 .produced_at = what.at,
                                 .nonce = what.nonce};
    return *pki::build_ocsp_response(answer, by.key, &*by.certificate);
  }
  Bytes answer(const Issued& subject, const What& what = {}) {
    return sign(subject, what, tree_.delegate, tree_.server_ca);
  }
  Presigned bundle(std::vector<Bytes> answers, std::uint64_t crl_number = 1) {
    return {.cas = {{kServerCa, to_bytes(tree_.server_ca.certificate->der())}},
            .root_crls = {tree_.crl(crl_number)},
            .answers = std::move(answers),
            .lists = {{kServerCa, 3}}};
  }
  Bytes question(const Issued& subject, std::optional<Bytes> nonce = {},
                 pki::CertIdHash hash = pki::CertIdHash::sha256) {
    return pki::encode_ocsp_request(
        {.ids = {pki::make_cert_id(hash, *tree_.server_ca.certificate, subject.certificate->serial())},
         .nonce = std::move(nonce)});
  }
  pki::OcspResponseStatus status(ByteView request) {
    const auto parsed = pki::parse_ocsp_response(*shelf_.answer(request).der);
    EXPECT_TRUE(parsed);
    return parsed ? parsed->status : pki::OcspResponseStatus::internal_error;
  }
  void expect_nothing_taken(Presigned presigned, std::string_view why) {
    const auto taken = shelf_.take(presigned);
    EXPECT_EQ(taken.answers, 0U) << why;
    EXPECT_GE(taken.refused, 1U) << why;
    EXPECT_EQ(status(question(tree_.gateway)), pki::OcspResponseStatus::try_later) << why;
  }

  Tree tree_;
  ManualClock clock_{kShelfTime};
  EdgeShelf shelf_{clock_, {tree_.root()}};
};

TEST_F(EdgeShelfTest, HandsOutWhatWasSignedAsItCameAndSaysHowLongItMayBeKept) {
  const Bytes good = answer(tree_.gateway);
  const Bytes revoked = answer(tree_.other, {.status = pki::RevokedStatus{.at = kShelfTime - seconds(60)}});
  const auto taken = shelf_.take(bundle({good, revoked}));
  EXPECT_EQ(taken.answers, 2U);
  EXPECT_EQ(taken.refused, 0U);
  const Answer told = shelf_.answer(question(tree_.gateway));
  EXPECT_EQ(*told.der, good);
  EXPECT_EQ(told.next_update, kShelfTime + seconds(900));
  EXPECT_FALSE(told.etag.empty());
  EXPECT_EQ(*shelf_.answer(question(tree_.other)).der, revoked);
  EXPECT_EQ(shelf_.take(bundle({good, revoked})).answers, 0U) << "nothing is new";
}

TEST_F(EdgeShelfTest, AnswersTheHashThatWasAskedFor) {
  const Bytes old = answer(tree_.gateway, {.hash = pki::CertIdHash::sha1});
  shelf_.take(bundle({old}));
  EXPECT_EQ(*shelf_.answer(question(tree_.gateway, {}, pki::CertIdHash::sha1)).der, old);
  EXPECT_EQ(status(question(tree_.gateway)), pki::OcspResponseStatus::try_later);
}

TEST_F(EdgeShelfTest, NeverAnswersAQuestionWithANonceByAnAnswerWithoutOne) {
  shelf_.take(bundle({answer(tree_.gateway), answer(tree_.other, {.status = pki::RevokedStatus{.at = kShelfTime}})}));
  EXPECT_EQ(status(question(tree_.gateway, Bytes(32, 7))), pki::OcspResponseStatus::try_later);
  EXPECT_EQ(status(question(tree_.other, Bytes(32, 7))), pki::OcspResponseStatus::try_later);
  EXPECT_EQ(shelf_.answer(question(tree_.gateway, Bytes(32, 7))).next_update, std::nullopt) << "nobody may keep that";
}

TEST_F(EdgeShelfTest, SaysTryLaterForWhatItDoesNotHave) {
  EXPECT_EQ(status(question(tree_.gateway)), pki::OcspResponseStatus::try_later) << "before the first";
  shelf_.take(bundle({answer(tree_.gateway)}));
  EXPECT_EQ(status(question(tree_.other)), pki::OcspResponseStatus::try_later);
  clock_.advance(seconds(900));
  EXPECT_EQ(status(question(tree_.gateway)), pki::OcspResponseStatus::try_later) << "at the end of its window";
  EXPECT_EQ(shelf_.answer(question(tree_.gateway)).next_update, std::nullopt);
}

TEST_F(EdgeShelfTest, RefusesWhatIsNoQuestion) {
  const auto one =
      pki::make_cert_id(pki::CertIdHash::sha256, *tree_.server_ca.certificate, tree_.gateway.certificate->serial());
  for (const Bytes& request : {Bytes(), Bytes{0x30, 0x00}, Bytes(pki::kMaxOcspRequestBytes + 1, 0x30),
                               pki::encode_ocsp_request({.ids = {one, one}, .nonce = std::nullopt})}) {
    EXPECT_EQ(status(request), pki::OcspResponseStatus::malformed_request);
  }
}

TEST_F(EdgeShelfTest, TakesNothingThatDoesNotProveItselfFromTheRoot) {
  Tree strange;
  Bytes altered = answer(tree_.gateway);
  altered[altered.size() - 5] ^= 1U;
  const auto ended = tree_.issue(pki::ProfileId::ocsp_signer, &tree_.server_ca, {});
  expect_nothing_taken(bundle({altered}), "altered");
  expect_nothing_taken(bundle({to_bytes("garbage")}), "garbage");
  expect_nothing_taken(bundle({pki::encode_ocsp_error(pki::OcspResponseStatus::try_later)}), "no answer");
  expect_nothing_taken(bundle({sign(tree_.gateway, {}, strange.delegate, tree_.server_ca)}), "a foreign delegate's");
  expect_nothing_taken(bundle({sign(tree_.gateway, {}, tree_.other, tree_.server_ca)}), "a server's signature");
  expect_nothing_taken(bundle({answer(tree_.gateway, {.status = pki::UnknownStatus{}})}), "unknown");
  expect_nothing_taken(bundle({answer(tree_.gateway, {.at = kShelfTime - seconds(1'000)})}), "past its window");
  expect_nothing_taken(bundle({answer(tree_.gateway, {.at = kShelfTime + seconds(1'000)})}), "of the future");
  expect_nothing_taken(bundle({answer(tree_.gateway, {.nonce = Bytes(32, 7)})}), "somebody's, with his nonce");
  Presigned foreign = bundle({sign(tree_.gateway, {}, strange.delegate, strange.server_ca)});
  foreign.cas = {{kServerCa, to_bytes(strange.server_ca.certificate->der())}};
  expect_nothing_taken(foreign, "a CA of another root");
  Presigned leaf = bundle({});
  leaf.cas = {{kServerCa, to_bytes(tree_.gateway.certificate->der())}};
  expect_nothing_taken(leaf, "no CA");
  Presigned false_crl = bundle({});
  false_crl.root_crls = {strange.crl(9), to_bytes("garbage")};
  expect_nothing_taken(false_crl, "a CRL of another root");
  EXPECT_EQ(shelf_.answer_count(), 0U);
}

TEST_F(EdgeShelfTest, AnOlderAnswerNeverTakesTheNewersPlace) {
  const Bytes before = answer(tree_.gateway, {.at = kShelfTime - seconds(100)});
  const Bytes revoked = answer(tree_.gateway, {.status = pki::RevokedStatus{.at = kShelfTime}});
  shelf_.take(bundle({revoked}));
  EXPECT_EQ(shelf_.take(bundle({before})).refused, 1U);
  EXPECT_EQ(*shelf_.answer(question(tree_.gateway)).der, revoked);
}

TEST_F(EdgeShelfTest, ForgetsEverythingOfACaThatTheRootHasRevoked) {
  shelf_.take(bundle({answer(tree_.gateway)}));
  ASSERT_EQ(shelf_.answer_count(), 1U);
  Presigned listed = bundle({answer(tree_.other)});
  listed.root_crls = {tree_.crl(2, {tree_.server_ca.certificate->serial()})};
  shelf_.take(listed);
  EXPECT_EQ(status(question(tree_.gateway)), pki::OcspResponseStatus::try_later);
  expect_nothing_taken(bundle({answer(tree_.gateway)}, 1), "by a root CRL of before: the number never falls");
}

TEST_F(EdgeShelfTest, ForgetsWhatHasEnded) {
  shelf_.take(bundle({answer(tree_.gateway)}));
  clock_.advance(seconds(900));
  shelf_.take(bundle({answer(tree_.other, {.at = kShelfTime + seconds(900)})}));
  EXPECT_EQ(shelf_.answer_count(), 1U);
  EXPECT_EQ(shelf_.good_until(), kShelfTime + seconds(1'800));
}

TEST_F(EdgeShelfTest, WantsAListWhoseNumberIsHigherAndTakesTheCasOwnAlone) {
  const Presigned first = bundle({});
  shelf_.take(first);
  ASSERT_EQ(shelf_.wanted_lists(first), (std::vector<PresignedList>{{kServerCa, 3}}));
  Tree strange;
  EXPECT_FALSE(shelf_.put_list(kServerCa, strange.list(strange.server_ca, 3)));
  EXPECT_FALSE(shelf_.put_list(records::CaName("web-ca"), tree_.list(tree_.server_ca, 3)));
  const Bytes list = tree_.list(tree_.server_ca, 3);
  ASSERT_TRUE(shelf_.put_list(kServerCa, list));
  EXPECT_TRUE(shelf_.wanted_lists(first).empty());
  const auto file = shelf_.file_of(kServerCa);
  ASSERT_TRUE(file);
  EXPECT_EQ(*file, "server-ca-" + codec::encode_hex(*tree_.server_ca.certificate->extensions().subject_key_id));
  for (const std::string& name : {*file, std::string("server-ca")}) {
    ASSERT_NE(shelf_.find_list(name), nullptr) << name;
    EXPECT_EQ(*shelf_.find_list(name)->der, list);
  }
  EXPECT_EQ(shelf_.find_list("web-ca"), nullptr);
}

TEST_F(EdgeShelfTest, HandsOutTheRootsCrlAndTheCasCertificates) {
  EXPECT_FALSE(shelf_.find_root_crl("root"));
  shelf_.take(bundle({}, 4));
  const std::string key_id = codec::encode_hex(*tree_.root().extensions().subject_key_id);
  EXPECT_EQ(shelf_.find_root_crl("root"), shelf_.find_root_crl("root-" + key_id));
  EXPECT_TRUE(shelf_.find_root_crl("root"));
  EXPECT_FALSE(shelf_.find_root_crl("root-00"));
  EXPECT_FALSE(shelf_.find_root_crl("roots"));
  EXPECT_FALSE(shelf_.find_root_crl(""));
  EXPECT_EQ(shelf_.find_ca("server-ca"), to_bytes(tree_.server_ca.certificate->der()));
  EXPECT_EQ(shelf_.find_ca("root"), to_bytes(tree_.root().der()));
  EXPECT_FALSE(shelf_.find_ca("web-ca"));
}

TEST(PresignedBundle, ReadsBackWhatWasWrittenAndNothingElse) {
  const Presigned all{.cas = {{kServerCa, Bytes{0x30, 0x00}}},
                      .root_crls = {Bytes{1}},
                      .answers = {Bytes{2}, Bytes{3}},
                      .lists = {{kServerCa, 7}}};
  const Bytes whole = encode_presigned(all);
  const auto read = parse_presigned(whole);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(encode_presigned(*read), whole);
  EXPECT_EQ(read->lists, all.lists);
  EXPECT_TRUE(parse_presigned({}));
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const auto cut = parse_presigned(ByteView(whole).first(size));
    if (cut) EXPECT_EQ(encode_presigned(*cut).size(), size) << "whole fields alone";
  }
  EXPECT_FALSE(parse_presigned(Bytes(kMaxPresignedBytes + 1)));
  Presigned many;
  many.answers.assign(kMaxPresignedAnswers + 1, Bytes{1});
  EXPECT_FALSE(parse_presigned(encode_presigned(many)));
  Presigned nameless = all;
  nameless.cas.front().name = records::CaName("");
  EXPECT_FALSE(parse_presigned(encode_presigned(nameless)));
}

}  // namespace
}  // namespace sallyport::status
