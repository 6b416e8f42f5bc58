#include "tunnel/client_hello.h"

#include <gtest/gtest.h>

#include "tunnel/detail/test_vectors.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

using testing::read_vectors;

Bytes extension(std::uint16_t type, ByteView value) {
  Writer writer;
  writer.u16(type).bytes_u16(value);
  return std::move(writer).take();
}

Bytes name_entry(std::string_view name, std::uint8_t type = 0) {
  Writer writer;
  writer.u8(type).bytes_u16(as_bytes(name));
  return std::move(writer).take();
}

Bytes name_extension(const std::vector<Bytes>& entries) {
  Bytes list;
  for (const Bytes& entry : entries) append(list, entry);
  Writer writer;
  writer.bytes_u16(list);
  return extension(0, writer.view());
}

Bytes padding(std::size_t size) {
  return extension(21, Bytes(size));
}

Bytes key_share(std::uint16_t group, std::size_t size) {
  Writer share;
  share.u16(group).bytes_u16(Bytes(size, 7));
  Writer list;
  list.bytes_u16(share.view());
  return extension(51, list.view());
}

// A hello message without record headers, of the parts given.
Bytes message(const std::vector<Bytes>& extensions) {
  Bytes list;
  for (const Bytes& one : extensions) append(list, one);
  Writer body;
  body.u16(0x0303).bytes(Bytes(32, 9)).bytes_u8(Bytes(32, 1)).bytes_u16(Bytes{0x13, 0x01}).bytes_u8(Bytes{0});
  body.bytes_u16(list);
  Writer out;
  out.u8(1).bytes_u24(body.view());
  return std::move(out).take();
}

// In records of at most `size` bytes.
Bytes in_records(ByteView message_bytes, std::size_t size = 16'384) {
  Writer out;
  for (std::size_t at = 0; at < message_bytes.size(); at += size)
    out.u8(22).u16(0x0301).bytes_u16(message_bytes.subspan(at, std::min(size, message_bytes.size() - at)));
  return std::move(out).take();
}

Bytes hello_for(std::string_view name) {
  return in_records(message({name_extension({name_entry(name)})}));
}

std::string outcome(const HelloOutcome& result) {
  if (const auto* hello = std::get_if<ClientHello>(&result)) return hello->server_name.get();
  if (const auto* refused = std::get_if<HelloRefused>(&result)) return std::string(to_string(refused->fault));
  return "needs more";
}

std::string outcome(ByteView bytes) {
  return outcome(parse_client_hello(bytes));
}

TEST(ClientHello, RealClientsAreReadAsTheyWereToldToSpeak) {
  const auto cases = read_vectors("hellos.txt");
  ASSERT_GE(cases.size(), 8U);
  for (const auto& one : cases) {
    SCOPED_TRACE(one.title);
    const Bytes bytes = one.hex("hello");
    const auto result = parse_client_hello(bytes);
    ASSERT_TRUE(std::holds_alternative<ClientHello>(result)) << outcome(result);
    const auto& hello = std::get<ClientHello>(result);
    EXPECT_EQ(hello.server_name.get(), one.fields.at("server_name"));
    std::string alpn;
    for (const auto& protocol : hello.alpn) alpn += (alpn.empty() ? "" : ",") + protocol;
    EXPECT_EQ(alpn, one.fields.at("alpn"));
    EXPECT_TRUE(hello.offers_tls13);
    EXPECT_FALSE(hello.early_data);
    EXPECT_EQ(hello.wire_size, bytes.size());
    if (one.fields.contains("post_quantum")) {
      EXPECT_EQ(hello.post_quantum, one.fields.at("post_quantum") == "yes");
    }
  }
}

TEST(ClientHello, EveryPrefixNeedsMoreAndSaysHowMuchAndTheRestChangesNothing) {
  for (const auto& one : read_vectors("hellos.txt")) {
    SCOPED_TRACE(one.title);
    const Bytes bytes = one.hex("hello");
    const std::string whole = outcome(bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto result = parse_client_hello(ByteView(bytes).first(size));
      const auto* more = std::get_if<HelloNeedsMore>(&result);
      ASSERT_NE(more, nullptr) << size;
      ASSERT_GT(more->total, size);
      ASSERT_LE(more->total, bytes.size());
    }
    Bytes followed = bytes;
    append(followed, as_bytes("whatever comes after the hello"));
    EXPECT_EQ(outcome(followed), whole);
  }
}

TEST(ClientHello, RecordsOfAnySizeCarryTheSameHello) {
  for (const auto& one : read_vectors("hellos.txt")) {
    const Bytes bytes = one.hex("hello");
    for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{5}, std::size_t{300}}) {
      SCOPED_TRACE(fmt::format("{} in records of {}", one.title, size));
      const Bytes split = in_records(ByteView(bytes).subspan(5), size);
      EXPECT_EQ(outcome(split), one.fields.at("server_name"));
      for (std::size_t cut = 0; cut < split.size(); cut += 7)
        EXPECT_EQ(outcome(ByteView(split).first(cut)), "needs more") << cut;
    }
  }
}

TEST(ClientHello, NameIsCanonicalOrRefused) {
  const std::string label63(63, 'a');
  const std::string longest = label63 + "." + label63 + "." + label63 + "." + std::string(61, 'a');
  const std::string over = label63 + "." + label63 + "." + label63 + "." + std::string(62, 'a');
  const struct {
    std::string_view name;
    std::string_view want;
  } cases[] = {
      {"device.example", "device.example"},
      {"DeVice.EXAMPLE", "device.example"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {longest, longest},
      {over, "invalid_name"},
      {"", "invalid_name"},
      {".", "invalid_name"},
      {"device.example.", "invalid_name"},
      {".example", "invalid_name"},
      {"a..example", "invalid_name"},
      {std::string_view("device.example\0.evil.example", 28), "invalid_name"},
      {std::string_view("\0", 1), "invalid_name"},
      {"192.0.2.1", "invalid_name"},
      {"1", "invalid_name"},
      {"device.example.1", "invalid_name"},
      {"[2001:db8::1]", "invalid_name"},
      {"2001:db8::1", "invalid_name"},
      {"*.example", "invalid_name"},
      {"b\xC3\xBC"
       "cher.example",
       "invalid_name"},
      {"device.example:443", "invalid_name"},
      {"-a.example", "invalid_name"},
      {"a_b.example", "invalid_name"},
      {"a/../b.example", "invalid_name"},
      {"a b.example", "invalid_name"},
      {"a%2eb.example", "invalid_name"},
      {"a\nb.example", "invalid_name"},
  };
  for (const auto& one : cases) EXPECT_EQ(outcome(hello_for(one.name)), one.want) << one.name;
  EXPECT_EQ(outcome(hello_for(std::string(4'000, 'a'))), "invalid_name");
}

TEST(ClientHello, WrongStructureIsRefusedWithItsReason) {
  const Bytes name = name_extension({name_entry("device.example")});
  const Bytes good = message({name});
  Bytes not_hello = good;
  not_hello[0] = 2;
  Bytes bad_version = good;
  bad_version[4] = 2;
  Bytes longer_body = good;
  longer_body[3] = static_cast<std::uint8_t>(longer_body[3] + 1);
  longer_body.push_back(0);
  Bytes two_messages = good;
  append(two_messages, good);
  const Bytes bare = {22, 3, 1, 0, 0};
  const Bytes empty_list = extension(0, Bytes{0, 0});
  const Bytes trailing = extension(0, Bytes{0, 3, 0, 0, 0, 9});
  const Bytes alpn_empty_name = extension(16, Bytes{0, 1, 0});
  const Bytes no_null_compression = [] {
    Writer body;
    body.u16(0x0303).bytes(Bytes(32)).bytes_u8({}).bytes_u16(Bytes{0x13, 1}).bytes_u8(Bytes{1}).bytes_u16({});
    Writer out;
    out.u8(1).bytes_u24(body.view());
    return std::move(out).take();
  }();
  std::vector<Bytes> many = {name};
  for (std::uint16_t type = 1'000; type < 1'000 + kMaxHelloExtensions; ++type) many.push_back(extension(type, {}));

  const struct {
    std::string_view title;
    Bytes bytes;
    std::string_view want;
  } cases[] = {
      {"no extensions at all", in_records(ByteView(good).first(0)), "needs more"},
      {"no server name", in_records(message({padding(3)})), "no_server_name"},
      {"empty name list", in_records(message({empty_list})), "no_server_name"},
      {"two names", in_records(message({name_extension({name_entry("a.example"), name_entry("b.example")})})),
       "several_names"},
      {"one name twice in the list",
       in_records(message({name_extension({name_entry("a.example"), name_entry("a.example")})})), "several_names"},
      {"another type of name", in_records(message({name_extension({name_entry("a.example", 1)})})), "several_names"},
      {"extension twice", in_records(message({name, name})), "malformed"},
      {"unknown extension twice", in_records(message({name, padding(1), padding(1)})), "malformed"},
      {"bytes after the name list", in_records(message({trailing})), "malformed"},
      {"extension list cut", in_records(message({Bytes{0, 0, 0}})), "malformed"},
      {"extension longer than the list", in_records(message({Bytes{0, 21, 0, 9, 1}})), "malformed"},
      {"empty ALPN name", in_records(message({name, alpn_empty_name})), "malformed"},
      {"early data with a body", in_records(message({name, extension(42, Bytes{1})})), "malformed"},
      {"odd supported versions", in_records(message({name, extension(43, Bytes{1, 3})})), "malformed"},
      {"key share cut", in_records(message({name, extension(51, Bytes{0, 4, 0, 29, 0, 9})})), "malformed"},
      {"too many extensions", in_records(message(many)), "malformed"},
      {"compression without null", in_records(no_null_compression), "malformed"},
      {"byte behind the extensions", in_records(longer_body), "malformed"},
      {"two messages in one record", in_records(two_messages), "malformed"},
      {"SSL 2 version in the hello", in_records(bad_version), "malformed"},
      {"empty record", bare, "malformed"},
      {"record over 2^14", Bytes{22, 3, 1, 0x40, 1}, "malformed"},
      {"server hello", in_records(not_hello), "not_tls"},
      {"alert record", Bytes{21, 3, 1, 0, 2, 2, 40}, "not_tls"},
      {"application data", Bytes{23, 3, 3, 0, 1, 0}, "not_tls"},
      {"SSH banner", to_bytes("SSH-2.0-OpenSSH_9.2"), "not_tls"},
      {"SSL 2 hello", Bytes{0x80, 0x2E, 1, 0, 2}, "not_tls"},
      {"version 4", Bytes{22, 4, 0, 0, 5}, "not_tls"},
      {"nothing", {}, "needs more"},
  };
  for (const auto& one : cases) EXPECT_EQ(outcome(one.bytes), one.want) << one.title;
}

TEST(ClientHello, CapDependsOnAPostQuantumShare) {
  const Bytes name = name_extension({name_entry("device.example")});
  const auto sized = [&](std::size_t wire, std::vector<Bytes> extensions) {
    const std::size_t now = in_records(message(extensions)).size() + 4;
    extensions.push_back(padding(wire - now));
    return in_records(message(extensions));
  };
  const Bytes hybrid = key_share(0x11EC, 1'216);
  EXPECT_EQ(outcome(sized(kMaxHelloClassic, {name})), "device.example");
  EXPECT_EQ(outcome(sized(kMaxHelloClassic + 1, {name})), "too_long");
  EXPECT_EQ(outcome(sized(kMaxHelloClassic + 1, {name, key_share(29, 32)})), "too_long");
  EXPECT_EQ(outcome(sized(kMaxHelloClassic + 1, {name, hybrid})), "device.example");
  EXPECT_EQ(outcome(sized(kMaxHelloHybrid, {name, hybrid})), "device.example");
  EXPECT_EQ(outcome(sized(kMaxHelloHybrid + 1, {name, hybrid})), "too_long");
  // A share that shows itself only beyond the smaller cap comes too late, however the bytes arrive.
  const Bytes late = in_records(message({name, padding(kMaxHelloClassic), hybrid}));
  EXPECT_EQ(outcome(late), "too_long");
  EXPECT_EQ(outcome(ByteView(late).first(kMaxHelloClassic)), "too_long");
  EXPECT_EQ(outcome(ByteView(late).first(kMaxHelloClassic - 1)), "needs more");
  // One-byte records sixfold a hello; a hybrid one still fits.
  EXPECT_EQ(outcome(in_records(message({hybrid, name}), 1)), "device.example");
  EXPECT_EQ(outcome(in_records(message({hybrid, padding(1'500), name}), 1)), "too_long");
  // A length that cannot fit is refused before the bytes come.
  EXPECT_EQ(outcome(Bytes{22, 3, 1, 0x10, 0, 1, 0, 0xFF, 0xFF}), "too_long");
}

TEST(ClientHello, FieldsBesideTheNameAreRead) {
  const Bytes name = name_extension({name_entry("d.example")});
  const Bytes alpn = extension(16, Bytes{0, 6, 2, 'h', '2', 2, 'h', '3'});
  const auto result =
      parse_client_hello(in_records(message({alpn, extension(42, {}), extension(43, Bytes{2, 3, 3}), name})));
  const auto& hello = std::get<ClientHello>(result);
  EXPECT_EQ(hello.alpn, (std::vector<std::string>{"h2", "h3"}));
  EXPECT_TRUE(hello.offers("h3"));
  EXPECT_FALSE(hello.offers("sallyport-control/1"));
  EXPECT_TRUE(hello.early_data);
  EXPECT_FALSE(hello.offers_tls13);
  EXPECT_FALSE(hello.post_quantum);
}

TEST(Alert, IsOneFatalPlaintextRecord) {
  EXPECT_EQ(encode_alert(Alert::unrecognized_name), (Bytes{21, 3, 3, 0, 2, 2, 112}));
  for (const HelloFault fault : {HelloFault::no_server_name, HelloFault::several_names, HelloFault::invalid_name})
    EXPECT_EQ(alert_for(fault), Alert::unrecognized_name);
  EXPECT_EQ(alert_for(HelloFault::malformed), Alert::decode_error);
}

}  // namespace
}  // namespace sallyport::tunnel
