// The agent signs for its node the bundles of that node, and nothing else whatever is asked.
#include "agent/node_desk.h"

#include "agent/detail/test_installation.h"
#include "codec/tlv.h"
#include "pki/csr.h"
#include "sealed/messages.h"
#include "sealed/signed_bundle.h"
#include "tunnel/grant.h"

namespace sallyport::agent {
namespace {

using testing::kDevice;
using testing::kNow;
using testing::kZone;

const sealed::NodeName kNode("pump-1");
constexpr std::string_view kMark("sallyport/rpc-bundle/v1\0", 24);

// A key that writes down what it signs.
class RecordingKey final : public crypto::SigningKey {
 public:
  explicit RecordingKey(std::shared_ptr<crypto::PrivateKey> key) : key_(std::move(key)) {}
  const crypto::PublicKey& public_key() const override { return key_->public_key(); }
  crypto::SignatureScheme scheme() const override { return key_->scheme(); }
  Result<Bytes> sign(ByteView message) override {
    if (is_gone) return fail(Errc::unavailable, "token: does not answer");
    messages.push_back(to_bytes(message));
    return key_->sign(message);
  }

  bool is_gone = false;
  std::vector<Bytes> messages;

 private:
  std::shared_ptr<crypto::PrivateKey> key_;
};

class NodeDeskTest : public ::testing::Test {
 protected:
  std::optional<DeviceIdentity> identity() const {
    if (!is_enrolled) return std::nullopt;
    return DeviceIdentity{
        .key = key, .chain = {device.certificate, tree.online_ca.certificate}, .roots = {tree.root}, .zone = kZone};
  }
  NodeDeskSources sources() {
    return {.identity = [this] { return identity(); },
            .values = [] { return codec::Json(codec::Json::Object{{"values", codec::Json::Array()}}); },
            .services = [] { return codec::Json(codec::Json::Array()); },
            .switch_service = [this](ServiceName name, bool open) -> Result<void> {
              if (name.get() != "panel") return fail(Errc::not_found, "no such service");
              switched.push_back(open);
              return {};
            }};
  }
  sealed::Bundle bundle(seconds after = seconds(0)) const {
    const UnixTime drawn = clock.now() + after;
    return {.node = kNode,
            .prekey = {9},
            .prekey_id = 1,
            .not_before = drawn - seconds(60),
            .not_after = drawn - seconds(60) + sealed::kBundleLife,
            .sequence = static_cast<std::uint64_t>(drawn.since_epoch())};
  }
  static Bytes request(const sealed::Bundle& bundle) {
    return sealed::encode_node_request(sealed::SignBundle{.bundle = bundle});
  }
  Result<Bytes> sign(const sealed::Bundle& bundle) { return desk.answer(request(bundle)); }
  // Neither `content` nor what looks like a request with it is signed.
  void refuses(ByteView content) {
    for (int kind = -1; kind <= 6; ++kind) {
      Bytes bytes;
      if (kind >= 0) bytes.push_back(static_cast<std::uint8_t>(kind));
      append(bytes, content);
      EXPECT_FALSE(desk.answer(bytes)) << "kind " << kind;
    }
    EXPECT_TRUE(key->messages.empty());
  }

  testing::Tree tree;
  testing::Issued device =
      tree.make_leaf(pki::ProfileId::operational_device, tree.online_ca, {kDevice.get() + "." + kZone.get()});
  std::shared_ptr<RecordingKey> key = std::make_shared<RecordingKey>(device.key);
  ManualClock clock{kNow};
  bool is_enrolled = true;
  std::vector<bool> switched;
  NodeDesk desk{kNode, clock, sources()};
};

TEST_F(NodeDeskTest, SignsABundleOfItsNodeWhichCallersBelieve) {
  const auto made = sign(bundle());
  ASSERT_TRUE(made) << made.error().detail;
  const pki::Certificate roots[] = {tree.root};
  const auto opened = sealed::open_bundle(*made, roots, kZone, kNow);
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(opened->bundle, bundle());
  EXPECT_EQ(opened->signer.identity_as<DeviceName>(), kDevice);
  ASSERT_EQ(key->messages.size(), 1U);
  EXPECT_TRUE(as_text(key->messages.front()).starts_with(kMark));
}

TEST_F(NodeDeskTest, RefusesTheContentOfACertificateVerifyOfTls13) {
  for (const std::string_view who : {"TLS 1.3, client CertificateVerify", "TLS 1.3, server CertificateVerify"}) {
    Bytes content(64, 0x20);  // RFC 8446 §4.4.3
    append(content, as_bytes(who));
    content.push_back(0);
    append(content, Bytes(32, 0xAB));
    refuses(content);
  }
}

TEST_F(NodeDeskTest, RefusesACertificationRequestAndACertificate) {
  const auto csr = pki::build_csr(*testing::new_key(), *pki::DistinguishedName::of("any"));
  ASSERT_TRUE(csr) << csr.error().detail;
  refuses(*csr);
  refuses(device.certificate.der());
}

TEST_F(NodeDeskTest, RefusesAGrantAndOtherObjectsOfTheInstallation) {
  tunnel::AccessGrant grant{.user_id = "u1",
                            .device = kDevice,
                            .service = ServiceName("panel"),
                            .label = GrantLabel("abcdefghijklmnop"),
                            .console_origin = "https://console.example",
                            .issued = kNow,
                            .expires = kNow + seconds(300),
                            .session_end = kNow + seconds(300)};
  const Bytes payload = tunnel::encode_grant(grant);
  ASSERT_TRUE(tunnel::parse_grant(payload));
  refuses(payload);
  refuses(codec::signing_input("grant", payload));
  refuses(tree.seal(grant));
}

TEST_F(NodeDeskTest, RefusesWhatCallersSign) {
  refuses(sealed::caller_signing_input(Bytes(32, 7), kNow, device.certificate.der()));
}

TEST_F(NodeDeskTest, RefusesABundleUnderAnyMarkOfTheAskers) {
  Bytes marked = to_bytes(kMark);
  append(marked, sealed::encode_bundle(bundle()));
  refuses(marked);
}

TEST_F(NodeDeskTest, RefusesABundleThatIsCutOrLonger) {
  const Bytes good = request(bundle());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(desk.answer(ByteView(good).first(size))) << size;
    clock.advance(seconds(1));
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(desk.answer(longer));
  EXPECT_TRUE(key->messages.empty());
}

TEST_F(NodeDeskTest, RefusesWhatIsLongerThanAnyRequest) {
  Bytes huge = request(bundle());
  huge.resize(1U << 20U);
  const auto answer = desk.answer(huge);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::malformed);
  EXPECT_TRUE(key->messages.empty());
}

TEST_F(NodeDeskTest, RefusesTheBundleOfAnotherNode) {
  auto other = bundle();
  other.node = sealed::NodeName("pump-2");
  EXPECT_FALSE(sign(other));
  EXPECT_TRUE(key->messages.empty());
}

TEST_F(NodeDeskTest, RefusesBundlesOfOtherTimes) {
  EXPECT_FALSE(sign(bundle(kDay)));
  EXPECT_FALSE(sign(bundle(-3 * kDay)));
  auto ahead = bundle();
  ahead.sequence += static_cast<std::uint64_t>(kBundleAhead.count()) + 1;
  EXPECT_FALSE(sign(ahead)) << "none could follow it";
  ahead.sequence = ~std::uint64_t{0};
  EXPECT_FALSE(sign(ahead));
  EXPECT_TRUE(key->messages.empty());
}

TEST_F(NodeDeskTest, RefusesASequenceBelowOneThatItSigned) {
  const auto before = bundle();
  clock.advance(seconds(10));
  ASSERT_TRUE(sign(bundle()));
  const auto old = sign(before);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code, Errc::conflict);
  EXPECT_EQ(key->messages.size(), 1U);
}

TEST_F(NodeDeskTest, ABundleAsFarAheadAsMayBeShutsOutLaterOnesNoLonger) {
  auto ahead = bundle();
  ahead.sequence += static_cast<std::uint64_t>(kBundleAhead.count());
  ASSERT_TRUE(sign(ahead));
  const auto refused = sign(bundle());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict);
  clock.advance(kBundleAhead);
  EXPECT_TRUE(sign(bundle()));
}

TEST_F(NodeDeskTest, TheSameBundleIsSignedAgainUnderARenewedCertificate) {
  ASSERT_TRUE(sign(bundle()));
  const auto before = device;
  device = tree.make_leaf(pki::ProfileId::operational_device, tree.online_ca, {kDevice.get() + "." + kZone.get()});
  key = std::make_shared<RecordingKey>(device.key);
  const auto made = sign(bundle());
  ASSERT_TRUE(made);
  const pki::Certificate roots[] = {tree.root};
  const auto opened = sealed::open_bundle(*made, roots, kZone, kNow);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->signer.leaf(), device.certificate);
}

TEST_F(NodeDeskTest, SignsNoMoreThanItsRate) {
  for (std::size_t i = 0; i < kNodeBundles; ++i) EXPECT_TRUE(sign(bundle()));
  const auto beyond = sign(bundle());
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, Errc::overloaded);
  EXPECT_EQ(key->messages.size(), kNodeBundles);
  EXPECT_FALSE(desk.is_flooded());
}

TEST_F(NodeDeskTest, AFloodIsRefusedAndTold) {
  std::size_t answered = 0;
  for (int i = 0; i < 10'000; ++i) answered += desk.answer(Bytes{1}) ? 1U : 0U;
  EXPECT_EQ(answered, kNodeRequests);
  EXPECT_TRUE(desk.is_flooded());
  desk.begin_anew();
  EXPECT_FALSE(desk.is_flooded());
}

TEST_F(NodeDeskTest, ADeviceWithoutACertificateSignsNothing) {
  is_enrolled = false;
  const auto answer = sign(bundle());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::not_yet);
  EXPECT_EQ(desk.answer(Bytes{1}).error().code, Errc::not_yet);
}

TEST_F(NodeDeskTest, AKeyThatDoesNotAnswerIsTold) {
  key->is_gone = true;
  const auto answer = sign(bundle());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::unavailable);
}

TEST_F(NodeDeskTest, TellsWhoTheDeviceIsAndNoSecret) {
  const auto answer = desk.answer(Bytes{1});
  ASSERT_TRUE(answer);
  const auto told = sealed::parse_node_identity(*answer);
  ASSERT_TRUE(told) << told.error().detail;
  EXPECT_EQ(told->zone, kZone);
  EXPECT_EQ(told->chain, identity()->chain);
  EXPECT_EQ(told->roots, identity()->roots);
  EXPECT_TRUE(key->messages.empty());
}

TEST_F(NodeDeskTest, SwitchesServicesThatAreThere) {
  const auto ask = [&](std::string_view name, bool open) {
    return desk.answer(
        sealed::encode_node_request(sealed::SwitchService{.name = ServiceName(std::string(name)), .open = open}));
  };
  EXPECT_TRUE(ask("panel", false));
  EXPECT_TRUE(ask("panel", true));
  const auto none = ask("ssh", true);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::not_found);
  EXPECT_EQ(switched, (std::vector<bool>{false, true}));
}

TEST_F(NodeDeskTest, SwitchesServicesNoMoreOftenThanItsRate) {
  const Bytes close = sealed::encode_node_request(sealed::SwitchService{.name = ServiceName("panel"), .open = false});
  for (std::size_t i = 0; i < kNodeSwitches; ++i) EXPECT_TRUE(desk.answer(close));
  const auto beyond = desk.answer(close);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, Errc::overloaded);
  EXPECT_EQ(switched.size(), kNodeSwitches);
}

}  // namespace
}  // namespace sallyport::agent
