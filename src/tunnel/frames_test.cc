#include "tunnel/frames.h"

#include <gtest/gtest.h>

#include "tunnel/detail/test_vectors.h"

namespace sallyport::tunnel {
namespace {

using testing::read_vectors;

Ticket filled_ticket(std::uint8_t fill) {
  Ticket ticket;
  ticket.bytes.fill(fill);
  return ticket;
}

// One frame of each type, as docs/protocol/tunnel.md shows them.
std::vector<std::pair<std::string, Frame>> examples() {
  Ticket first = filled_ticket(0xA1);
  first.bytes[0] = 0;
  first.bytes[1] = 3;
  Ticket second = filled_ticket(0xB2);
  second.bytes[0] = 0;
  second.bytes[1] = 3;
  const std::vector<Service> services = {{.name = ServiceName("web"), .kind = ServiceKind::http},
                                         {.name = ServiceName("ssh"), .kind = ServiceKind::tcp}};
  return {
      {"HELLO", HelloFrame{.version = 1,
                           .boot_id = BootId({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}),
                           .remote_access = true,
                           .agent_version = "1.0.0",
                           .services = services}},
      {"TICKETS", TicketsFrame{.tickets = {first, second}}},
      {"OPEN", OpenFrame{.ticket = first,
                         .sealed_grant = {0xC0, 0xFF, 0xEE},
                         .client_address = "192.0.2.7:51000",
                         .service = ServiceName("web")}},
      {"GRANT", GrantFrame{.sealed_grant = {0xC0, 0xFF, 0xEF}}},
      {"REFUSE", RefuseFrame{.ticket = first, .code = RefuseCode::service_down}},
      {"PING", PingFrame{.token = 1, .interval_s = 15, .round_trip_us = 23'000}},
      {"PONG", PongFrame{.token = 1}},
      {"CUT", CutFrame{.session = GrantId({1, 2, 3, 4})}},
      {"GOAWAY", GoAwayFrame{.reason = GoAwayReason::restarting, .come_back_in = milliseconds(12'000)}},
      {"STATUS", StatusFrame{.remote_access = false, .services = services}},
      {"RESUMPTION", ResumptionFrame{.identity = {0xDE, 0xAD, 0xBE, 0xEF}}},
  };
}

TEST(Frames, AreTheBytesOfTheSpecification) {
  const auto vectors = read_vectors("frames.txt");
  const auto frames = examples();
  ASSERT_EQ(vectors.size(), frames.size());
  std::ifstream document(SALLYPORT_SOURCE_DIR "/docs/protocol/tunnel.md");
  const std::string text((std::istreambuf_iterator<char>(document)), {});
  for (std::size_t i = 0; i < frames.size(); ++i) {
    SCOPED_TRACE(frames[i].first);
    EXPECT_EQ(vectors[i].title, frames[i].first);
    const std::string& hex = vectors[i].fields.at("frame");
    EXPECT_EQ(codec::encode_hex(encode_frame(frames[i].second)), hex);
    EXPECT_EQ(parse_frame(vectors[i].hex("frame")).value(), frames[i].second);
    EXPECT_NE(text.find(hex), std::string::npos) << "docs/protocol/tunnel.md does not show this frame";
  }
}

TEST(Frames, CutAnywhereOrLongerAreMalformed) {
  for (const auto& [title, frame] : examples()) {
    const Bytes bytes = encode_frame(frame);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(parse_frame(ByteView(bytes).first(size)).error().code, Errc::malformed) << title << " " << size;
    const ByteView payload = ByteView(bytes).subspan(4);
    for (std::size_t size = 0; size < payload.size(); ++size)
      EXPECT_FALSE(parse_payload(bytes[0], payload.first(size))) << title << " " << size;
    Bytes longer = to_bytes(payload);
    longer.push_back(0);
    EXPECT_FALSE(parse_payload(bytes[0], longer)) << title;
  }
}

TEST(Frames, ValueOutsideItsRangeIsMalformed) {
  const std::string boot(32, '0');
  const std::string ticket(64, '1');
  const std::string services65 = [] {
    Bytes out = {65};
    for (unsigned i = 0; i < 65; ++i) append(out, Bytes{2, 'a', static_cast<std::uint8_t>('0' + i % 10), 1});
    return codec::encode_hex(out);
  }();
  const struct {
    std::string_view title;
    std::uint8_t type;
    std::string payload;
  } cases[] = {
      {"type 0", 0, ""},
      {"type 12", 12, ""},
      {"resumption without an identity", 11, "0000"},
      {"resumption with an identity of 513", 11, "0201" + std::string(2 * 513, '0')},
      {"type 255", 255, "00"},
      {"hello with switch 2", 1, "0001" + boot + "02" + "0131" + "00"},
      {"hello without agent version", 1, "0001" + boot + "01" + "00" + "00"},
      {"hello with a line feed in the version", 1, "0001" + boot + "01" + "010a" + "00"},
      {"hello with a version text of 65", 1, "0001" + boot + "01" + "41" + std::string(130, '3') + "00"},
      {"hello with 65 services", 1, "0001" + boot + "01" + "0131" + services65},
      {"service of kind 0", 10,
       "0101"
       "0161"
       "00"},
      {"service of kind 4", 10,
       "0101"
       "0161"
       "04"},
      {"service in upper case", 10,
       "0101"
       "0141"
       "01"},
      {"service without a name", 10,
       "0101"
       "00"
       "01"},
      {"service twice", 10,
       "0102"
       "016101"
       "016102"},
      {"no tickets", 2, "00"},
      {"65 tickets", 2, "41"},
      {"ticket twice", 2, "02" + ticket + ticket},
      {"open with an empty grant", 3, ticket + "0000" + "00" + "0161"},
      {"open with a grant of 16385", 3, ticket + "4001" + std::string(2 * 16'385, '0') + "00" + "0161"},
      {"open with a name for an address", 3, ticket + "000101" + "0167" + "0161"},
      {"open with an escape in the address", 3, ticket + "000101" + "011b" + "0161"},
      {"open with an address of 65", 3, ticket + "000101" + "41" + std::string(130, '3') + "0161"},
      {"open with a bad service", 3, ticket + "000101" + "00" + "012e"},
      {"empty grant", 4, "0000"},
      {"refuse code 0", 5, ticket + "00"},
      {"refuse code 10", 5, ticket + "0a"},
      {"ping every 4 s", 6,
       "00000001"
       "0004"
       "ffffffff"},
      {"ping every 16 s", 6,
       "00000001"
       "0010"
       "ffffffff"},
      {"go away for reason 0", 9,
       "00"
       "00000000"},
      {"go away for reason 8", 9,
       "08"
       "00000000"},
      {"come back in over ten minutes", 9,
       "01"
       "000927c1"},
  };
  for (const auto& one : cases) {
    const auto parsed = parse_payload(one.type, *codec::decode_hex(one.payload));
    ASSERT_FALSE(parsed) << one.title;
    EXPECT_EQ(parsed.error().code, Errc::malformed) << one.title;
  }
  EXPECT_TRUE(parse_payload(9, *codec::decode_hex("01"
                                                  "000927c0")));
}

TEST(FrameDecoder, FindsTheSameFramesHoweverTheBytesAreSplit) {
  Bytes stream;
  for (const auto& [title, frame] : examples()) append(stream, encode_frame(frame));
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{7}, std::size_t{64}, stream.size()}) {
    FrameDecoder decoder;
    std::vector<Frame> found;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      decoder.push(ByteView(stream).subspan(at, std::min(step, stream.size() - at)));
      for (;;) {
        auto frame = decoder.next();
        ASSERT_TRUE(frame);
        if (!*frame) break;
        found.push_back(**frame);
      }
    }
    ASSERT_EQ(found.size(), examples().size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], examples()[i].second);
    EXPECT_EQ(decoder.buffered(), 0U);
  }
}

TEST(FrameDecoder, RefusesALengthOverTheLimitBeforeItsBytesCome) {
  FrameDecoder decoder;
  decoder.push(Bytes{6, 1, 0, 1});
  EXPECT_EQ(decoder.next().error().code, Errc::malformed);
  decoder.push(encode_frame(PongFrame{.token = 1}));
  EXPECT_EQ(decoder.next().error().code, Errc::malformed);
  EXPECT_EQ(decoder.buffered(), 0U);
}

}  // namespace
}  // namespace sallyport::tunnel
