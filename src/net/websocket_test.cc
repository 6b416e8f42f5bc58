#include <gtest/gtest.h>

#include "base/random.h"
#include "net/copy.h"
#include "net/detail/test_streams.h"
#include "net/websocket_stream.h"

namespace sallyport::net {
namespace {

using Opcode = WebSocketOpcode;

Bytes octets(std::initializer_list<int> values) {
  Bytes out;
  for (const int value : values) out.push_back(static_cast<std::uint8_t>(value));
  return out;
}

Bytes frame(Opcode opcode, std::string_view payload, std::optional<WebSocketMask> mask = std::nullopt) {
  Bytes out;
  encode_web_socket_frame(opcode, as_bytes(payload), mask, out);
  return out;
}

// What a decoder makes of `bytes` that come in pieces of `size`.
Result<std::string> decode(WebSocketDecoder& decoder, Bytes bytes, std::size_t size) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    const auto piece = std::span(bytes).subspan(at, std::min(size, bytes.size() - at));
    TRY(const std::size_t count, decoder.decode(piece));
    out += as_text(ByteView(piece).first(count));
  }
  return out;
}

// RFC 6455 §5.7, as binary.
TEST(WebSocketFrames, AreThoseOfTheStandard) {
  constexpr WebSocketMask kMask{0x37, 0xfa, 0x21, 0x3d};
  EXPECT_EQ(frame(Opcode::binary, "Hello"), octets({0x82, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f}));
  EXPECT_EQ(frame(Opcode::binary, "Hello", kMask),
            octets({0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}));
  EXPECT_EQ(frame(Opcode::pong, "Hello", kMask),
            octets({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}));
  const Bytes medium = frame(Opcode::binary, std::string(256, 'x'));
  EXPECT_EQ(Bytes(medium.begin(), medium.begin() + 4), octets({0x82, 0x7E, 0x01, 0x00}));
  const Bytes large = frame(Opcode::binary, std::string(65'536, 'x'));
  EXPECT_EQ(Bytes(large.begin(), large.begin() + 10), octets({0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0}));
}

TEST(WebSocketFrames, AreTakenApartHoweverTheyCome) {
  constexpr WebSocketMask kMask{1, 2, 3, 4};
  for (const auto mask : {std::optional<WebSocketMask>(), std::optional(kMask)}) {
    const auto side = mask ? WebSocketSide::client : WebSocketSide::server;
    std::string want;
    Bytes bytes;
    for (const std::size_t size : {1U, 125U, 126U, 127U, 300U, 65'535U, 65'536U}) {
      const std::string part(size, static_cast<char>('a' + size % 26));
      want += part;
      append(bytes, frame(Opcode::binary, part, mask));
      append(bytes, frame(Opcode::ping, "are you there", mask));
      append(bytes, frame(Opcode::pong, "", mask));
    }
    append(bytes, frame(Opcode::binary, "", mask));
    for (const std::size_t size : {1UL, 2UL, 3UL, 7UL, 1'000UL, bytes.size()}) {
      WebSocketDecoder decoder(side);
      const auto got = decode(decoder, bytes, size);
      ASSERT_TRUE(got) << got.error().detail;
      EXPECT_EQ(*got, want) << size;
      EXPECT_TRUE(decoder.has_ended());
      EXPECT_EQ(as_text(decoder.take_ping().value()), "are you there");
      EXPECT_FALSE(decoder.take_ping());
    }
  }
}

TEST(WebSocketFrames, OfAMessageMayHaveOthersOfControlBetweenThem) {
  WebSocketDecoder decoder(WebSocketSide::server);
  // "He" not the last, a ping, "" not the last, "llo" the last; then an end in two pieces.
  const Bytes bytes = octets({0x02, 0x02, 'H', 'e', 0x89, 0x01, '?', 0x00, 0x00, 0x80, 0x03, 'l', 'l', 'o'});
  EXPECT_EQ(decode(decoder, bytes, 1).value(), "Hello");
  EXPECT_FALSE(decoder.has_ended());
  EXPECT_EQ(decode(decoder, octets({0x02, 0x00, 0x80, 0x00}), 1).value(), "");
  EXPECT_TRUE(decoder.has_ended());
  // What may come behind the end, and what may not.
  EXPECT_EQ(decode(decoder, octets({0x89, 0x00, 0x88, 0x02, 0x03, 0xE8}), 1).value(), "");
  EXPECT_EQ(decode(decoder, octets({0x82, 0x01, 'x'}), 1).error().code, Errc::malformed);
}

TEST(WebSocketFrames, AreRefusedAsTheStandardWants) {
  const struct {
    std::string_view title;
    Bytes bytes;
    Errc want = Errc::malformed;
  } cases[] = {
      {"text", octets({0x81, 0x00})},
      {"a reserved bit", octets({0xC2, 0x00})},
      {"an unknown opcode", octets({0x83, 0x00})},
      {"an unknown opcode of control", octets({0x8B, 0x00})},
      {"a server that masks", octets({0x82, 0x80, 0, 0, 0, 0})},
      {"a length in 16 bits that fits in 7", octets({0x82, 126, 0, 125})},
      {"a length in 64 bits that fits in 16", octets({0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF})},
      {"a length over 63 bits", octets({0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0})},
      {"a ping in fragments", octets({0x09, 0x00})},
      {"a ping that is too long", octets({0x89, 126, 0, 126})},
      {"a continuation of nothing", octets({0x80, 0x00})},
      {"a message within another", octets({0x02, 0x00, 0x82, 0x00})},
      {"half a close code", octets({0x88, 0x01, 0x03})},
      {"a close before the end", octets({0x88, 0x02, 0x03, 0xE9}), Errc::unavailable},
  };
  for (const auto& one : cases) {
    WebSocketDecoder decoder(WebSocketSide::server);
    const auto got = decode(decoder, one.bytes, 1);
    ASSERT_FALSE(got) << one.title;
    EXPECT_EQ(got.error().code, one.want) << one.title;
  }
  WebSocketDecoder of_client(WebSocketSide::client);
  EXPECT_EQ(decode(of_client, octets({0x82, 0x01, 'x'}), 1).error().code, Errc::malformed) << "does not mask";
}

// A client and a server of one WebSocket over `lower`.
StreamPair web_socket_pair(StreamPair lower, Random& random) {
  return {make_web_socket_client(std::move(lower.first), {}, random),
          make_web_socket_server(std::move(lower.second), {})};
}

Task<void> carry_both_ways(Random& random) {
  auto [client, server] = web_socket_pair(co_await tcp_pair(), random);
  const std::string question(100'000, 'q');
  co_await join(send_text(*client, question), [](Stream& from, std::size_t size) -> Task<void> {
    Bytes got(size);
    EXPECT_TRUE(co_await read_exactly(from, got, kSoon));
    EXPECT_EQ(as_text(got), std::string(size, 'q'));
  }(*server, question.size()));
  EXPECT_TRUE(co_await client->shutdown_write(kSoon));
  EXPECT_EQ(co_await read_text(*server), "");
  // The other direction goes on.
  co_await send_text(*server, "an answer");
  EXPECT_TRUE(co_await server->shutdown_write(kSoon));
  EXPECT_EQ(co_await read_text(*client), "an answer");
}

TEST(WebSocketStream, CarriesBothDirectionsAndEndsEachAlone) {
  Io io;
  SeededRandom random(5);
  run(io, carry_both_ways(random));
}

Task<void> break_before_the_end(Random& random) {
  auto lower = co_await tcp_pair();
  auto web_socket = make_web_socket_client(std::move(lower.first), {}, random);
  EXPECT_TRUE(co_await lower.second->write_all(octets({0x82, 0x05, 'h', 'a', 'l', 'f'}), kSoon));
  lower.second->close();
  Bytes got(4);
  EXPECT_TRUE(co_await read_exactly(*web_socket, got, kSoon));
  const auto end = co_await web_socket->read_some(got, kSoon);
  EXPECT_TRUE(!end && end.error().code == Errc::unavailable);
}

TEST(WebSocketStream, IsBrokenWhereTheConnectionEndsBeforeIt) {
  Io io;
  SeededRandom random(5);
  run(io, break_before_the_end(random));
}

Task<void> begin_with_what_came_early(Random& random) {
  auto lower = co_await tcp_pair();
  auto client =
      make_web_socket_client(std::move(lower.first), octets({0x89, 0x01, '?', 0x82, 0x05, 'e', 'a', 'r'}), random);
  EXPECT_TRUE(co_await client->wait_readable(kAtOnce));
  EXPECT_TRUE(co_await lower.second->write_all(octets({'l', 'y'}), kSoon));
  Bytes got(5);
  EXPECT_TRUE(co_await read_exactly(*client, got, kSoon));
  EXPECT_EQ(as_text(got), "early");
  // The ping was answered without a word of ours.
  Bytes header(2);
  EXPECT_TRUE(co_await read_exactly(*lower.second, header, kSoon));
  EXPECT_EQ(header, octets({0x8A, 0x81}));
}

TEST(WebSocketStream, BeginsWithWhatCameBehindTheHandshake) {
  Io io;
  SeededRandom random(5);
  run(io, begin_with_what_came_early(random));
}

Task<void> read_to_a_close(std::string& got) {
  auto lower = co_await tcp_pair();
  auto server = make_web_socket_server(std::move(lower.first), {});
  Bytes all = frame(Opcode::binary, "tail", WebSocketMask{1, 2, 3, 4});
  append(all, frame(Opcode::close, std::string("\x03\xE8", 2), WebSocketMask{1, 2, 3, 4}));
  EXPECT_TRUE(co_await lower.second->write_all(all, kSoon));
  Bytes buffer(100);
  const auto count = co_await server->read_some(buffer, kSoon);
  EXPECT_TRUE(count);
  got = as_text(ByteView(buffer).first(count.value_or(0)));
  EXPECT_TRUE(co_await server->wait_readable(kSoon));
  EXPECT_EQ((co_await server->read_some(buffer, kSoon)).error().code, Errc::unavailable);
}

TEST(WebSocketStream, HandsOutWhatCameBeforeAClose) {
  Io io;
  std::string got;
  run(io, read_to_a_close(got));
  EXPECT_EQ(got, "tail");
}

Task<void> write_against_a_full_peer(Stream& stream, const Bytes& much) {
  EXPECT_TRUE(co_await stream.write_all(much, kSoon));
}

// A ping that comes while much is being written is answered behind it, not within.
Task<void> ping_a_writer() {
  auto lower = co_await tcp_pair();
  auto server = make_web_socket_server(std::move(lower.first), {});
  const Bytes much(8U << 20U, 0x5A);
  Bytes ping = frame(Opcode::ping, "?", WebSocketMask{1, 2, 3, 4});
  append(ping, frame(Opcode::binary, "x", WebSocketMask{1, 2, 3, 4}));
  EXPECT_TRUE(co_await lower.second->write_all(ping, kSoon));
  co_await join(write_against_a_full_peer(*server, much),
                [](Stream& reader, Stream& peer, std::size_t size) -> Task<void> {
                  Bytes word(1);
                  EXPECT_TRUE(co_await reader.read_some(word, kSoon));
                  WebSocketDecoder decoder(WebSocketSide::server);
                  std::size_t got = 0;
                  Bytes buffer(64 * 1024);
                  while (got < size) {
                    const auto came = co_await peer.read_some(buffer, kSoon);
                    if (!came || *came == 0) break;
                    const auto count = decoder.decode(std::span(buffer).first(*came));
                    EXPECT_TRUE(count) << (count ? "" : count.error().detail);
                    got += count.value_or(0);
                  }
                  EXPECT_EQ(got, size);
                }(*server, *lower.second, much.size()));
}

TEST(WebSocketStream, AnswersAPingBetweenTwoMessages) {
  Io io;
  run(io, ping_a_writer());
}

}  // namespace
}  // namespace sallyport::net
