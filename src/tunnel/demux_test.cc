#include "tunnel/demux.h"

#include <gtest/gtest.h>

#include "tunnel/limits.h"
#include "tunnel/ticket.h"

namespace sallyport::tunnel {
namespace {

TEST(Classify, KnowsEachKindByItsFirstBytes) {
  const struct {
    std::string_view bytes;
    FirstBytes want;
  } cases[] = {
      {"", FirstBytes::need_more},
      {"\x16", FirstBytes::need_more},
      {"\x16\x03", FirstBytes::tls},
      {"\x16\x03\x01\x02", FirstBytes::tls},
      {"\x16\x02", FirstBytes::garbage},
      {"\x15\x03", FirstBytes::garbage},
      {"S", FirstBytes::need_more},
      {"SPD", FirstBytes::need_more},
      {"SPD1", FirstBytes::data_preface},
      {"SPD2", FirstBytes::garbage},
      {"SSH-2.0-OpenSSH_9.2\r\n", FirstBytes::garbage},
      {"G", FirstBytes::need_more},
      {"GET", FirstBytes::need_more},
      {"GET ", FirstBytes::http},
      {"GET\t", FirstBytes::garbage},
      {"P", FirstBytes::need_more},
      {"POST /ocsp", FirstBytes::http},
      {"PUT /", FirstBytes::http},
      {"OPTIONS", FirstBytes::need_more},
      {"OPTIONS *", FirstBytes::http},
      {"get /", FirstBytes::garbage},
      {"CONNECT a:1", FirstBytes::garbage},
      {"PRI * HTTP/2.0\r\n", FirstBytes::garbage},
      {"\x80\x2E\x01", FirstBytes::garbage},
      {std::string_view("\0\0", 2), FirstBytes::garbage},
      {"\r\n\r\n", FirstBytes::garbage},
      {" GET /", FirstBytes::garbage},
  };
  for (const auto& one : cases) EXPECT_EQ(classify(as_bytes(one.bytes)), one.want) << one.bytes;
}

TEST(FindPlainRoute, SendsStatusToStatusAndTheRestToHttps) {
  const struct {
    std::string_view line;
    std::string_view want;
  } cases[] = {
      {"GET /ocsp/MFEw HTTP/1.1\r\n", "status"},
      {"POST /ocsp HTTP/1.1\r\nHost: x\r\n", "status"},
      {"GET /crl/root.crl HTTP/1.0\r\n", "status"},
      {"GET /crl?x HTTP/1.1\r\n", "status"},
      {"GET /crlx HTTP/1.1\r\n", "redirect"},
      {"PUT /ocsp HTTP/1.1\r\n", "redirect"},
      {"GET / HTTP/1.1\r\n", "redirect"},
      {"GET /x?/ocsp HTTP/1.1\r\n", "redirect"},
      {"GET /ocsp HTTP/1.1", "more"},
      {"", "more"},
      {"GET /ocsp HTTP/1.1\n", "malformed"},
      {"\n", "malformed"},
      {"GET http://x/ocsp HTTP/1.1\r\n", "malformed"},
      {"GET ocsp HTTP/1.1\r\n", "malformed"},
      {"GET /a b HTTP/1.1\r\n", "malformed"},
      {"GET /ocsp HTTP/2.0\r\n", "malformed"},
      {"GET /ocsp\r\n", "malformed"},
      {"GET /\x01 HTTP/1.1\r\n", "malformed"},
  };
  for (const auto& one : cases) {
    const auto found = find_plain_route(as_bytes(one.line));
    const std::string_view got = !found                          ? to_string(found.error().code)
                                 : !*found                       ? "more"
                                 : **found == PlainRoute::status ? "status"
                                                                 : "redirect";
    EXPECT_EQ(got, one.want) << one.line;
  }
  const std::string longest = "GET /" + std::string(kMaxPlainRequestLine, 'a');
  EXPECT_EQ(find_plain_route(as_bytes(longest)).error().code, Errc::overloaded);
}

TEST(Ticket, CarriesItsWorkerAndIsOtherwiseRandom) {
  SeededRandom random(7);
  const Ticket one = draw_ticket(WorkerSlot(0x0102), random);
  const Ticket other = draw_ticket(WorkerSlot(0x0102), random);
  EXPECT_EQ(one.slot(), WorkerSlot(0x0102));
  EXPECT_NE(one, other);
  EXPECT_EQ(draw_ticket(WorkerSlot(0xFFFF), random).slot(), WorkerSlot(0xFFFF));
}

TEST(Preface, IsFoundInAnyPrefixAndRefusedAtTheFirstWrongByte) {
  SeededRandom random(7);
  const Ticket ticket = draw_ticket(WorkerSlot(3), random);
  Bytes bytes = encode_preface(ticket);
  ASSERT_EQ(bytes.size(), kPrefaceSize);
  bytes.push_back(0x16);
  for (std::size_t size = 0; size < kPrefaceSize; ++size)
    EXPECT_FALSE(parse_preface(ByteView(bytes).first(size)).value()) << size;
  EXPECT_EQ(parse_preface(bytes).value(), ticket);
  for (std::size_t wrong = 0; wrong < 4; ++wrong) {
    Bytes other = bytes;
    other[wrong] ^= 0x20;
    EXPECT_EQ(parse_preface(ByteView(other).first(wrong + 1)).error().code, Errc::malformed) << wrong;
  }
}

}  // namespace
}  // namespace sallyport::tunnel
