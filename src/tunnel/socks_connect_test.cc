#include "tunnel/socks_connect.h"

#include <gtest/gtest.h>

#include "codec/text.h"

namespace sallyport::tunnel {
namespace {

Bytes hex(std::string_view text) {
  return *codec::decode_hex(std::string(text));
}

std::string told(SocksConnect& socks) {
  return codec::encode_hex(socks.to_send().expose());
}

const SocksTarget kByName{.host = std::string("relay.example"), .port = 443};
constexpr std::string_view kAskedByName = "050100030d72656c61792e6578616d706c6501bb";
const ProxyCredentials kAda{.user = "ada", .password = SecretBytes(std::string_view("open"))};

SocksConnect begin(const SocksTarget& target = kByName, const ProxyCredentials* credentials = nullptr) {
  return SocksConnect::begin(target, credentials).value();
}

// RFC 1928 §3 to §6, octet by octet.
TEST(SocksConnect, AsksForATargetOfEachType) {
  const struct {
    SocksTarget target;
    std::string_view request;
  } cases[] = {
      {kByName, kAskedByName},
      {{.host = SocksTarget::IpV4{192, 0, 2, 7}, .port = 80}, "05010001c00002070050"},
      {{.host = SocksTarget::IpV6{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, .port = 8443},
       "0501000420010db800000000000000000000000120fb"},
  };
  for (const auto& one : cases) {
    SocksConnect socks = begin(one.target);
    EXPECT_EQ(told(socks), "050100");
    EXPECT_TRUE(socks.to_send().empty()) << "said once";
    EXPECT_EQ(socks.on_bytes(hex("0500")), false);
    EXPECT_EQ(told(socks), one.request);
    EXPECT_EQ(socks.on_bytes(hex("05000001000000000000")), true);
    EXPECT_TRUE(socks.to_send().empty());
  }
}

TEST(SocksConnect, ShowsItsLoginToAProxyThatWantsIt) {
  SocksConnect socks = begin(kByName, &kAda);
  EXPECT_EQ(told(socks), "05020002");
  EXPECT_EQ(socks.on_bytes(hex("0502")), false);
  EXPECT_EQ(told(socks),
            "010361646104"
            "6f70656e");
  EXPECT_EQ(socks.on_bytes(hex("0100")), false);
  EXPECT_EQ(told(socks), kAskedByName);
  EXPECT_EQ(socks.on_bytes(hex("050000030161"
                               "0001")),
            true);
}

TEST(SocksConnect, KeepsItsLoginFromAProxyThatWantsNone) {
  SocksConnect socks = begin(kByName, &kAda);
  static_cast<void>(socks.to_send());
  EXPECT_EQ(socks.on_bytes(hex("0500")), false);
  EXPECT_EQ(told(socks), kAskedByName);
}

TEST(SocksConnect, ReadsAnswersThatDrip) {
  SocksConnect socks = begin(kByName, &kAda);
  for (const std::string_view answer : {"0502", "0100", "0500000420010db80000000000000000000000010050"}) {
    static_cast<void>(socks.to_send());
    const Bytes bytes = hex(answer);
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i) ASSERT_EQ(socks.on_bytes(ByteView(bytes).subspan(i, 1)), false);
    const bool is_last = bytes.size() > 2;
    EXPECT_EQ(socks.on_bytes(ByteView(bytes).last(1)), is_last);
  }
}

TEST(SocksConnect, SaysWhyAProxyRefuses) {
  const struct {
    std::vector<std::string_view> answers;
    bool has_login;
    Errc code;
    std::string_view says;
  } cases[] = {
      {{"05ff"}, false, Errc::unavailable, "wants a login"},
      {{"05ff"}, true, Errc::unavailable, "neither a user name and password nor"},
      {{"0502", "0101"}, true, Errc::unavailable, "refused user name or password"},
      {{"0500", "0502"}, false, Errc::unavailable, "answered 2 to CONNECT: not allowed by its rules"},
      {{"0500", "0505"}, false, Errc::unavailable, "answered 5 to CONNECT: connection refused"},
      {{"0500", "0508"}, false, Errc::unavailable, "type of address"},
      {{"0500", "05c8"}, false, Errc::unavailable, "answered 200 to CONNECT"},
      {{"0400"}, false, Errc::malformed, "does not speak SOCKS 5"},
      {{"48"}, false, Errc::malformed, "does not speak SOCKS 5"},
      {{"0502"}, false, Errc::malformed, "chose the login 2"},
      {{"0501"}, true, Errc::malformed, "chose the login 1"},
      {{"0502", "0500"}, true, Errc::malformed, "RFC 1929"},
      {{"050000"}, false, Errc::malformed, "bytes behind its answer"},
      {{"0500", "0400"}, false, Errc::malformed, "does not speak SOCKS 5"},
      {{"0500", "0500010100"}, false, Errc::malformed, "reserved octet"},
      {{"0500", "0500000200"}, false, Errc::malformed, "address of type 2"},
      {{"0500", "0500000100000000000016"}, false, Errc::malformed, "bytes behind its answer"},
  };
  for (const auto& one : cases) {
    SocksConnect socks = begin(kByName, one.has_login ? &kAda : nullptr);
    Result<bool> answered = false;
    for (const std::string_view answer : one.answers) answered = socks.on_bytes(hex(answer));
    ASSERT_FALSE(answered) << one.says;
    EXPECT_EQ(answered.error().code, one.code) << one.says;
    EXPECT_NE(answered.error().detail.find(one.says), std::string::npos) << answered.error().detail;
  }
}

TEST(SocksConnect, IsNotBegunWithWhatItsLengthsCannotHold) {
  const std::string longest(kMaxSocksText, 'a');
  const auto code = [](const SocksTarget& target, const ProxyCredentials* credentials) {
    const auto begun = SocksConnect::begin(target, credentials);
    return begun ? std::optional<Errc>() : begun.error().code;
  };
  EXPECT_EQ(code({.host = longest, .port = 1}, nullptr), std::nullopt);
  EXPECT_EQ(code({.host = longest + "a", .port = 1}, nullptr), Errc::malformed);
  EXPECT_EQ(code({.host = std::string(), .port = 1}, nullptr), Errc::malformed);
  EXPECT_EQ(code({.host = std::string("a"), .port = 0}, nullptr), Errc::malformed);
  const struct {
    std::string user, password;
    std::optional<Errc> code;
  } logins[] = {{longest, longest, std::nullopt},
                {longest + "a", "x", Errc::malformed},
                {"ada", longest + "a", Errc::malformed},
                {"", "x", Errc::malformed},
                {"ada", "", Errc::malformed}};
  for (const auto& one : logins) {
    const ProxyCredentials credentials{.user = one.user, .password = SecretBytes(std::string_view(one.password))};
    EXPECT_EQ(code(kByName, &credentials), one.code) << one.user.size() << " " << one.password.size();
  }
}

}  // namespace
}  // namespace sallyport::tunnel
