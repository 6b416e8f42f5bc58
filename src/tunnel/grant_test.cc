#include "tunnel/grant.h"

#include <gtest/gtest.h>

#include <functional>

#include "codec/tlv.h"
#include "tunnel/detail/test_vectors.h"
#include "tunnel/limits.h"
#include "tunnel/live_grants.h"

namespace sallyport::tunnel {
namespace {

using testing::kDevice;
using testing::kNow;
using testing::kZone;
using testing::make_grant;
using testing::renewal_of;

TEST(AccessGrant, RoundTripsWithOneEncoding) {
  const AccessGrant first = make_grant();
  const AccessGrant later = renewal_of(first, seconds(200));
  for (const AccessGrant& grant : {first, later}) {
    const Bytes bytes = encode_grant(grant);
    EXPECT_EQ(parse_grant(bytes).value(), grant);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(parse_grant(ByteView(bytes).first(size)).error().code, Errc::malformed) << size;
    Bytes longer = bytes;
    longer.push_back(0);
    EXPECT_FALSE(parse_grant(longer));
  }
  EXPECT_EQ(first.session(), first.id);
  EXPECT_EQ(later.session(), first.id);
}

// Writes the fields as they are, whatever they are.
Bytes encode_raw(const std::map<std::uint16_t, Bytes>& fields) {
  codec::TlvWriter writer;
  for (const auto& [tag, value] : fields) writer.bytes(tag, value);
  return std::move(writer).take();
}

std::map<std::uint16_t, Bytes> fields_of(const AccessGrant& grant) {
  std::map<std::uint16_t, Bytes> out;
  const Bytes bytes = encode_grant(grant);
  Reader reader(bytes);
  while (reader.remaining() > 0) {
    const auto tag = reader.u16().value();
    out[tag] = to_bytes(reader.bytes_u24().value());
  }
  return out;
}

TEST(AccessGrant, FieldOutsideItsGrammarIsMalformed) {
  const auto good = fields_of(renewal_of(make_grant(), seconds(10)));
  ASSERT_TRUE(parse_grant(encode_raw(good)));
  const auto time = [](std::int64_t value) {
    Writer writer;
    writer.u64(static_cast<std::uint64_t>(value));
    return std::move(writer).take();
  };
  const std::int64_t issued = kNow.since_epoch() + 10;
  const struct {
    std::string_view title;
    std::uint16_t tag;
    Bytes value;
  } cases[] = {
      {"short id", 1, Bytes(15)},
      {"long id", 1, Bytes(17)},
      {"short renews", 2, Bytes(1)},
      {"renews itself", 2, good.at(1)},
      {"empty user", 3, {}},
      {"long user", 3, Bytes(kMaxUserIdText + 1, 'a')},
      {"user with a line feed", 3, to_bytes("a\nb")},
      {"user that is not UTF-8", 3, Bytes{0xFF}},
      {"long display name", 4, Bytes(kMaxUserDisplayText + 1, 'a')},
      {"display name with an escape", 4, to_bytes("\x1B[31m")},
      {"device in upper case", 5, to_bytes("K3V7Q2X5MA")},
      {"device of nine characters", 5, to_bytes("k3v7q2x5m")},
      {"service with a dot", 6, to_bytes("a.b")},
      {"empty service", 6, {}},
      {"proof kind 0", 7, Bytes{0}},
      {"proof kind 3", 7, Bytes{3}},
      {"wide proof kind", 7, Bytes{0, 1}},
      {"short proof", 8, Bytes(31)},
      {"short label", 9, to_bytes("abcdefghij23456")},
      {"label outside base32", 9, to_bytes("abcdefghij234501")},
      {"console over http", 10, to_bytes("http://console.localhost")},
      {"console with a path", 10, to_bytes("https://console.localhost/")},
      {"console with port 443", 10, to_bytes("https://console.localhost:443")},
      {"console in upper case", 10, to_bytes("https://Console.localhost")},
      {"console with a user", 10, to_bytes("https://a@console.localhost")},
      {"console null", 10, to_bytes("null")},
      {"expires when issued", 12, time(issued)},
      {"expires before issued", 12, time(issued - 1)},
      {"lives 301 s", 12, time(issued + 301)},
      {"expires after the session", 13, time(issued + 299)},
      {"session of more than 8 h", 13, time(issued + kMaxSessionLife.count() + 1)},
      {"session end beyond year 9999", 13, time(kNoExpiry.since_epoch() + 1)},
      {"issued in the far future", 11, time(INT64_MAX)},
      {"unknown field", 14, {}},
      {"field 0", 0, {}},
  };
  for (const auto& one : cases) {
    auto fields = good;
    fields[one.tag] = one.value;
    const auto parsed = parse_grant(encode_raw(fields));
    ASSERT_FALSE(parsed) << one.title;
    EXPECT_EQ(parsed.error().code, Errc::malformed) << one.title;
  }
  for (const auto& [tag, value] : good) {
    if (tag == 2) continue;
    auto fields = good;
    fields.erase(tag);
    EXPECT_FALSE(parse_grant(encode_raw(fields))) << tag;
  }
}

TEST(AccessGrant, IsInForceForItsDeviceAndItsTimeAlone) {
  const AccessGrant grant = make_grant();
  EXPECT_TRUE(check_grant(grant, kDevice, kNow));
  EXPECT_TRUE(check_grant(grant, kDevice, kNow - seconds(60)));
  EXPECT_EQ(check_grant(grant, kDevice, kNow - seconds(61)).error().code, Errc::not_yet);
  EXPECT_TRUE(check_grant(grant, kDevice, kNow + seconds(359)));
  EXPECT_EQ(check_grant(grant, kDevice, kNow + seconds(360)).error().code, Errc::expired);
  EXPECT_EQ(check_grant(grant, DeviceName("aaaaaaaaaa"), kNow).error().code, Errc::unauthorized);
}

TEST(AccessGrant, RenewalMayChangeNothingButTime) {
  const AccessGrant first = make_grant();
  EXPECT_TRUE(check_renewal(first, renewal_of(first, seconds(100))));
  const std::pair<std::string_view, std::function<void(AccessGrant&)>> cases[] = {
      {"another session", [](AccessGrant& g) { g.renews = GrantId({9}); }},
      {"no session", [](AccessGrant& g) { g.renews.reset(); }},
      {"another user", [](AccessGrant& g) { g.user_id = "u-18"; }},
      {"another device", [](AccessGrant& g) { g.device = DeviceName("aaaaaaaaaa"); }},
      {"another service", [](AccessGrant& g) { g.service = ServiceName("ssh"); }},
      {"another proof kind", [](AccessGrant& g) { g.proof_kind = ProofKind::client_key; }},
      {"another proof", [](AccessGrant& g) { g.proof_hash[31] ^= 1; }},
      {"another label", [](AccessGrant& g) { g.label = GrantLabel("aaaaaaaaaaaaaaaa"); }},
      {"another console", [](AccessGrant& g) { g.console_origin = "https://evil.example"; }},
      {"a later session end", [](AccessGrant& g) { g.session_end = g.session_end + seconds(1); }},
      {"an earlier expiry", [](AccessGrant& g) { g.expires = kNow + seconds(299); }},
  };
  for (const auto& [title, change] : cases) {
    AccessGrant next = renewal_of(first, seconds(100));
    change(next);
    EXPECT_EQ(check_renewal(first, next).error().code, Errc::conflict) << title;
  }
}

TEST(Origin, HasOneSpelling) {
  EXPECT_EQ(encode_origin(DnsName("a.example"), 443), "https://a.example");
  EXPECT_EQ(encode_origin(DnsName("a.example"), 8443), "https://a.example:8443");
  for (const std::string_view good : {"https://a.example", "https://a.example:8443", "https://localhost:1"})
    EXPECT_TRUE(is_https_origin(good)) << good;
  for (const std::string_view bad : {"", "https://", "https://:1", "https://a:", "https://a:0", "https://a:08443",
                                     "https://a:65536", "https://a:99999", "https://a:443", "https://a/", "https://a?",
                                     "https://A", "http://a", "HTTPS://a", "https://a ", "https://a:1:2"})
    EXPECT_FALSE(is_https_origin(bad)) << bad;
}

DnsName host_of(const AccessGrant& grant) {
  return grant_host(grant, kZone);
}

TEST(LiveGrants, FindByTheFullNameAndNeverAfterExpiry) {
  LiveGrants live(kDevice, kZone);
  const AccessGrant grant = make_grant();
  ASSERT_TRUE(live.admit(grant, kNow));
  EXPECT_EQ(live.find(host_of(grant), kNow).value(), grant);
  EXPECT_EQ(live.find(host_of(grant), kNow + seconds(360)).error().code, Errc::not_found);
  const std::string label = grant.label.get();
  for (const std::string& name :
       {label, std::string("k3v7q2x5ma.devices.localhost"), label + ".devices.localhost",
        label + ".aaaaaaaaaa.devices.localhost", label + ".k3v7q2x5ma.devices.example",
        "x." + label + ".k3v7q2x5ma.devices.localhost", std::string("aaaaaaaaaaaaaaaa.k3v7q2x5ma.devices.localhost")})
    EXPECT_FALSE(live.find(DnsName(name), kNow)) << name;
}

TEST(LiveGrants, RenewalKeepsASessionAndItsAbsenceEndsIt) {
  LiveGrants live(kDevice, kZone);
  const AccessGrant first = make_grant(1);
  const AccessGrant second = make_grant(2);
  const AccessGrant renewed = renewal_of(first, seconds(200));
  ASSERT_TRUE(live.admit(first, kNow));
  ASSERT_TRUE(live.admit(first, kNow));
  ASSERT_TRUE(live.admit(second, kNow));
  ASSERT_TRUE(live.admit(renewed, kNow + seconds(200)));
  ASSERT_TRUE(live.admit(first, kNow + seconds(200)));  // an older grant of the session changes nothing
  EXPECT_EQ(live.find(host_of(first), kNow + seconds(400)).value(), renewed);
  EXPECT_TRUE(live.expire(kNow + seconds(359)).empty());
  const auto ended = live.expire(kNow + seconds(360));
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].grant, second);
  EXPECT_EQ(ended[0].why, LiveGrants::Ended::Why::expired);
  EXPECT_EQ(live.size(), 1U);
}

TEST(LiveGrants, RefusesWhatIsNotItsOwn) {
  LiveGrants live(kDevice, kZone);
  AccessGrant foreign = make_grant();
  foreign.device = DeviceName("aaaaaaaaaa");
  EXPECT_EQ(live.admit(foreign, kNow).error().code, Errc::unauthorized);
  EXPECT_EQ(live.admit(make_grant(), kNow + seconds(360)).error().code, Errc::expired);
  ASSERT_TRUE(live.admit(make_grant(), kNow));
  AccessGrant stolen_label = make_grant();
  stolen_label.id = GrantId({0x77});
  EXPECT_EQ(live.admit(stolen_label, kNow).error().code, Errc::conflict);
  AccessGrant widened = renewal_of(make_grant(), seconds(5));
  widened.service = ServiceName("ssh");
  EXPECT_EQ(live.admit(widened, kNow).error().code, Errc::conflict);
}

TEST(LiveGrants, CutSessionStaysCut) {
  LiveGrants live(kDevice, kZone);
  const AccessGrant grant = make_grant();
  ASSERT_TRUE(live.admit(grant, kNow));
  const auto ended = live.cut(grant.session(), kNow);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].why, LiveGrants::Ended::Why::cut);
  EXPECT_FALSE(live.find(host_of(grant), kNow));
  EXPECT_EQ(live.admit(grant, kNow).error().code, Errc::conflict);
  EXPECT_EQ(live.admit(renewal_of(grant, seconds(200)), kNow + seconds(200)).error().code, Errc::conflict);
  // A cut that overtakes its grant holds as well.
  const AccessGrant late = make_grant(2);
  EXPECT_TRUE(live.cut(late.session(), kNow).empty());
  EXPECT_EQ(live.admit(late, kNow).error().code, Errc::conflict);
}

TEST(LiveGrants, AreBounded) {
  LiveGrants live(kDevice, kZone);
  SeededRandom random(1);
  for (std::size_t i = 0; i < kMaxLiveGrants; ++i) {
    AccessGrant grant = make_grant();
    grant.id = draw_grant_id(random);
    grant.label = draw_grant_label(random);
    ASSERT_TRUE(live.admit(grant, kNow));
  }
  AccessGrant one_more = make_grant();
  EXPECT_EQ(live.admit(one_more, kNow).error().code, Errc::overloaded);
  EXPECT_EQ(live.cut_all(kNow).size(), kMaxLiveGrants);
  EXPECT_EQ(live.size(), 0U);
}

}  // namespace
}  // namespace sallyport::tunnel
