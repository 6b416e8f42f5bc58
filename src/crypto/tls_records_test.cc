#include "crypto/tls_records.h"

#include <gtest/gtest.h>

#include <openssl/ssl.h>

#include "codec/text.h"

namespace sallyport::crypto {
namespace {

constexpr std::uint16_t kAes128 = 0x1301;
constexpr std::uint16_t kAes256 = 0x1302;
constexpr std::uint16_t kChaCha = 0x1303;

Bytes from_hex(std::string_view text) {
  return codec::decode_hex(text).value();
}

std::size_t hash_bytes(std::uint16_t suite) {
  return suite == kAes256 ? 48 : 32;
}

TlsSecrets secrets(std::uint16_t suite, std::uint8_t receive, std::uint8_t send) {
  const auto filled = [&](std::uint8_t value) { return SecretBytes(Bytes(hash_bytes(suite), value)); };
  return {.receive = filled(receive), .send = filled(send), .exporter = filled(3)};
}

struct Ends {
  TlsRecords near;
  TlsRecords far;
};

Ends make_ends(std::uint16_t suite, TlsSendLimits limits = {}) {
  return {TlsRecords::begin(suite, secrets(suite, 1, 2), limits).value(),
          TlsRecords::begin(suite, secrets(suite, 2, 1)).value()};
}

// Opens one record of `wire` and takes it away; data goes to `text`.
std::expected<TlsOpened, TlsFault> open_next(TlsRecords& records, Bytes& wire, std::string& text) {
  const auto header = std::span(wire).first<kTlsRecordHeader>();
  const auto size = TlsRecords::body_bytes(header);
  if (!size) return std::unexpected(size.error());
  const auto body = std::span(wire).subspan(kTlsRecordHeader, *size);
  auto opened = records.open(header, body);
  if (opened && opened->content == TlsContent::data) text = as_text(body.first(opened->bytes));
  wire.erase(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(kTlsRecordHeader + *size));
  return opened;
}

std::string pass(TlsRecords& from, TlsRecords& to, std::string_view text) {
  Bytes wire;
  from.seal(as_bytes(text), wire);
  std::string got = "nothing";
  while (!wire.empty()) {
    const auto opened = open_next(to, wire, got);
    if (!opened) return opened.error().error.detail;
  }
  return got;
}

// RFC 8448 §3, after the handshake; the server has sent a NewSessionTicket first.
TEST(TlsRecordsTest, SealsAsInTheTracesOfRfc8448) {
  const Bytes client_secret = from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
  const Bytes server_secret = from_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
  const Bytes exporter = from_hex("fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50");
  const auto begin = [&](const Bytes& receive, const Bytes& send) {
    return TlsRecords::begin(
               kAes128, {.receive = SecretBytes(receive), .send = SecretBytes(send), .exporter = SecretBytes(exporter)})
        .value();
  };
  Bytes payload(50);
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::uint8_t>(i);
  auto client = begin(server_secret, client_secret);
  Bytes wire;
  EXPECT_EQ(client.seal(payload, wire), payload.size());
  EXPECT_EQ(wire,
            from_hex("1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b"
                     "62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"));
  wire.clear();
  client.seal_alert(SSL_AD_CLOSE_NOTIFY, wire);
  EXPECT_EQ(wire, from_hex("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3"));
  auto server = begin(client_secret, server_secret);
  server.seal({}, wire);
  wire.clear();
  server.seal(payload, wire);
  EXPECT_EQ(wire,
            from_hex("17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8"
                     "fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d"));
  wire.clear();
  server.seal_alert(SSL_AD_CLOSE_NOTIFY, wire);
  EXPECT_EQ(wire, from_hex("1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9"));
}

class TlsRecordsOfSuite : public ::testing::TestWithParam<std::uint16_t> {};

INSTANTIATE_TEST_SUITE_P(Suites, TlsRecordsOfSuite, ::testing::Values(kAes128, kAes256, kChaCha));

TEST_P(TlsRecordsOfSuite, WhatOneSealsTheOtherOpensInOrder) {
  auto ends = make_ends(GetParam());
  for (const char* text : {"one", "two", "three"}) {
    EXPECT_EQ(pass(ends.near, ends.far, text), text);
    EXPECT_EQ(pass(ends.far, ends.near, text), text);
  }
  EXPECT_EQ(ends.near.export_keying_material("EXPORTER-x", 48), ends.far.export_keying_material("EXPORTER-x", 48));
  EXPECT_NE(ends.near.export_keying_material("EXPORTER-x", 48), ends.far.export_keying_material("EXPORTER-y", 48));
}

TEST_P(TlsRecordsOfSuite, AnotherRecordOrderHeaderOrBitIsRefused) {
  const auto changed = [&](const std::function<void(Bytes&)>& change) {
    auto ends = make_ends(GetParam());
    Bytes wire;
    ends.near.seal(as_bytes("words"), wire);
    change(wire);
    std::string text;
    const auto opened = open_next(ends.far, wire, text);
    return opened ? std::optional<std::uint8_t>() : opened.error().alert;
  };
  EXPECT_EQ(changed([](Bytes&) {}), std::nullopt);
  for (const std::size_t at : {2UL, 5UL, 9UL, 10UL, 26UL})
    EXPECT_EQ(changed([at](Bytes& wire) { wire[at] ^= 1; }), SSL_AD_BAD_RECORD_MAC) << at;
  EXPECT_EQ(changed([](Bytes& wire) { wire[0] = SSL3_RT_ALERT; }), SSL_AD_UNEXPECTED_MESSAGE);
  EXPECT_EQ(changed([](Bytes& wire) { wire[3] = 0x7f; }), SSL_AD_RECORD_OVERFLOW);
  EXPECT_EQ(changed([](Bytes& wire) { wire[4] = 16; }), SSL_AD_BAD_RECORD_MAC);
  auto ends = make_ends(GetParam());
  Bytes wire;
  ends.near.seal(as_bytes("first"), wire);
  wire.clear();
  ends.near.seal(as_bytes("second"), wire);
  std::string text;
  EXPECT_FALSE(open_next(ends.far, wire, text).has_value());
}

TEST_P(TlsRecordsOfSuite, KeysAreUpdatedBeforeTheirRecordsRunOut) {
  auto ends = make_ends(GetParam(), {.records_per_key = 3});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pass(ends.near, ends.far, "old"), "old");
  Bytes wire;
  ends.near.seal(as_bytes("new"), wire);
  std::string text;
  const auto update = open_next(ends.far, wire, text);
  ASSERT_TRUE(update.has_value());
  EXPECT_EQ(update->content, TlsContent::key_update);
  EXPECT_TRUE(open_next(ends.far, wire, text).has_value());
  EXPECT_EQ(text, "new");
  EXPECT_TRUE(wire.empty());
  EXPECT_EQ(pass(ends.far, ends.near, "back"), "back");
}

TEST(TlsRecordsTest, MoreKeyUpdatesThanAnyPeerNeedsEndIt) {
  auto ends = make_ends(kAes256, {.records_per_key = 1});
  for (std::size_t i = 0; i <= kMaxKeyUpdates; ++i) ASSERT_EQ(pass(ends.near, ends.far, "x"), "x") << i;
  EXPECT_NE(pass(ends.near, ends.far, "x").find("updates its keys more than 64 times"), std::string::npos);
}

TEST(TlsRecordsTest, RecordsWithoutDataAreFewInARow) {
  auto ends = make_ends(kAes256);
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < kMaxIdleRecords; ++i) ASSERT_EQ(pass(ends.near, ends.far, ""), "");
    ASSERT_EQ(pass(ends.near, ends.far, "data"), "data");
  }
  for (std::size_t i = 0; i < kMaxIdleRecords; ++i) pass(ends.near, ends.far, "");
  EXPECT_EQ(pass(ends.near, ends.far, ""), "tls: 33 records without data");
}

TEST(TlsRecordsTest, LongDataTakesOneRecordAtATime) {
  auto ends = make_ends(kAes256);
  const Bytes data(kMaxTlsPlaintext + 1, 'x');
  Bytes wire;
  EXPECT_EQ(ends.near.seal(data, wire), kMaxTlsPlaintext);
  std::string text;
  EXPECT_TRUE(open_next(ends.far, wire, text).has_value());
  EXPECT_EQ(text.size(), kMaxTlsPlaintext);
}

TEST(TlsRecordsTest, SuiteAndSecretsMustBeOfTls13) {
  EXPECT_EQ(TlsRecords::begin(0xc02f, secrets(kAes128, 1, 2)).error().code, Errc::malformed);
  EXPECT_EQ(TlsRecords::begin(kAes256, secrets(kAes128, 1, 2)).error().code, Errc::malformed);
  EXPECT_EQ(TlsRecords::begin(kAes128, {}).error().code, Errc::malformed);
}

struct InnerCase {
  Bytes inner;
  std::optional<TlsContent> content;  // none: a fault
  std::optional<std::uint8_t> alert;
};

TEST(TlsRecordsTest, InnerPlaintextsAreDataAlertsAndKeyUpdatesAlone) {
  const auto padded = [](std::size_t zeros) {
    Bytes out{'x', SSL3_RT_APPLICATION_DATA};
    out.resize(out.size() + zeros);
    return out;
  };
  const InnerCase cases[] = {
      {{SSL3_RT_APPLICATION_DATA}, TlsContent::data, {}},
      {padded(0), TlsContent::data, {}},
      {padded(kMaxTlsPlaintext - 1), TlsContent::data, {}},
      {padded(kMaxTlsPlaintext), {}, SSL_AD_RECORD_OVERFLOW},
      {{}, {}, SSL_AD_UNEXPECTED_MESSAGE},
      {Bytes(100), {}, SSL_AD_UNEXPECTED_MESSAGE},
      {{1, 20}, {}, SSL_AD_UNEXPECTED_MESSAGE},  // change_cipher_spec
      {{'x', 24}, {}, SSL_AD_UNEXPECTED_MESSAGE},
      {{1, 0, SSL3_RT_ALERT}, TlsContent::end, {}},
      {{2, 0, SSL3_RT_ALERT, 0}, TlsContent::end, {}},
      {{1, 90, SSL3_RT_ALERT}, TlsContent::nothing, {}},
      {{1, 40, SSL3_RT_ALERT}, {}, {}},
      {{2, 42, SSL3_RT_ALERT}, {}, {}},
      {{SSL3_RT_ALERT}, {}, SSL_AD_UNEXPECTED_MESSAGE},
      {{1, SSL3_RT_ALERT}, {}, SSL_AD_DECODE_ERROR},
      {{1, 0, 1, 0, SSL3_RT_ALERT}, {}, SSL_AD_DECODE_ERROR},
      {{SSL3_RT_HANDSHAKE}, {}, SSL_AD_UNEXPECTED_MESSAGE},
      {{24, 0, 0, 1, 0, SSL3_RT_HANDSHAKE}, TlsContent::key_update, {}},
      {{24, 0, 0, 1, 1, SSL3_RT_HANDSHAKE, 0, 0}, TlsContent::key_update_requested, {}},
      {{24, 0, 0, 1, 2, SSL3_RT_HANDSHAKE}, {}, SSL_AD_ILLEGAL_PARAMETER},
      {{24, 0, 0, 2, 0, SSL3_RT_HANDSHAKE}, {}, SSL_AD_DECODE_ERROR},
      {{24, 0, 0, 1, SSL3_RT_HANDSHAKE}, {}, SSL_AD_UNEXPECTED_MESSAGE},
      {{24, 0, 0, 1, 0, 24, 0, 0, 1, 0, SSL3_RT_HANDSHAKE}, {}, SSL_AD_UNEXPECTED_MESSAGE},
      {{1, 0, 0, 1, 0, SSL3_RT_HANDSHAKE}, {}, SSL_AD_UNEXPECTED_MESSAGE},  // client_hello
  };
  for (const auto& one : cases) {
    const auto read = read_inner_plaintext(one.inner);
    const std::string about = codec::encode_hex(ByteView(one.inner).first(std::min<std::size_t>(12, one.inner.size())));
    ASSERT_EQ(read.has_value(), one.content.has_value()) << about;
    if (read) EXPECT_EQ(read->content, *one.content) << about;
    if (!read) EXPECT_EQ(read.error().alert, one.alert) << about;
  }
  EXPECT_EQ(read_inner_plaintext(Bytes{2, 44, SSL3_RT_ALERT}).error().error.code, Errc::unauthorized);
  EXPECT_EQ(read_inner_plaintext(Bytes{2, 10, SSL3_RT_ALERT}).error().error.code, Errc::malformed);
}

}  // namespace
}  // namespace sallyport::crypto
