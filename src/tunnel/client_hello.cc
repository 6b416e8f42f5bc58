#include "tunnel/client_hello.h"

#include <algorithm>
#include <array>
#include <expected>
#include <optional>

#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kClientHelloMessage = 1;
constexpr std::size_t kRecordHeader = 5;
constexpr std::size_t kHandshakeHeader = 4;
constexpr std::size_t kMaxRecordBody = 16'384;  // RFC 8446 §5.1
constexpr std::uint8_t kHostName = 0;
constexpr std::uint16_t kTls13 = 0x0304;

enum Extension : std::uint16_t {
  server_name = 0,
  alpn = 16,
  early_data = 42,
  supported_versions = 43,
  key_share = 51,
};

// ML-KEM alone and the hybrids with it, by their IANA numbers, and the two drafts that browsers still send.
constexpr std::array<std::uint16_t, 8> kPostQuantumGroups = {0x0200, 0x0201, 0x0202, 0x11EB,
                                                             0x11EC, 0x11ED, 0x6399, 0x639A};

bool is_post_quantum(std::uint16_t group) {
  return std::ranges::find(kPostQuantumGroups, group) != kPostQuantumGroups.end();
}

template <class T>
using Parsed = std::expected<T, HelloFault>;

std::unexpected<HelloFault> refuse(HelloFault fault) {
  return std::unexpected(fault);
}

// The handshake message inside the records at the start of the input: whole, or as much as is there.
struct Assembly {
  Bytes message;
  bool complete = false;
  std::size_t wire_size = 0;  // of the records read whole; with `complete`, of the hello
  std::size_t wanted = 0;     // without `complete`: input bytes needed for the next step
};

struct RecordHeader {
  std::size_t length = 0;
};

// TLSPlaintext := type u8 | legacy_record_version u16 | length u16 | fragment      (RFC 8446 §5.1)
// Absent: the header is not whole. Wrong bytes are refused as soon as they are there.
Parsed<std::optional<RecordHeader>> parse_record_header(ByteView in) {
  if (!in.empty() && in[0] != kHandshakeRecord) return refuse(HelloFault::not_tls);
  if (in.size() > 1 && in[1] != 3) return refuse(HelloFault::not_tls);
  if (in.size() < kRecordHeader) return std::nullopt;
  const std::size_t length = (std::size_t{in[3]} << 8U) | in[4];
  // "Implementations MUST NOT send zero-length fragments of Handshake types" (RFC 8446 §5.1)
  if (length == 0 || length > kMaxRecordBody) return refuse(HelloFault::malformed);
  return RecordHeader{.length = length};
}

// How long the handshake message is, header included; absent while its header is not whole.
Parsed<std::optional<std::size_t>> parse_message_size(ByteView message) {
  if (!message.empty() && message[0] != kClientHelloMessage) return refuse(HelloFault::not_tls);
  if (message.size() < kHandshakeHeader) return std::nullopt;
  const std::size_t body = (std::size_t{message[1]} << 16U) | (std::size_t{message[2]} << 8U) | std::size_t{message[3]};
  if (body + kHandshakeHeader + kRecordHeader > kMaxHelloHybrid) return refuse(HelloFault::too_long);
  return body + kHandshakeHeader;
}

Parsed<Assembly> assemble(ByteView in) {
  Assembly out;
  for (;;) {
    const ByteView rest = in.subspan(out.wire_size);
    auto header = parse_record_header(rest);
    if (!header) return refuse(header.error());
    if (!*header) {
      out.wanted = out.wire_size + kRecordHeader;
      return out;
    }
    const ByteView body = rest.subspan(kRecordHeader);
    const ByteView fragment = body.first(std::min(body.size(), (*header)->length));
    const std::size_t before = out.message.size();
    append(out.message, fragment);
    auto size = parse_message_size(out.message);
    if (!size) return refuse(size.error());
    // A record that goes on behind the hello holds a second message, which no client may send before it was answered.
    if (*size && before + (*header)->length > **size) return refuse(HelloFault::malformed);
    if (fragment.size() < (*header)->length) {
      const std::size_t missing = *size ? (*header)->length : std::min((*header)->length, kHandshakeHeader - before);
      out.wanted = out.wire_size + kRecordHeader + missing;
      return out;
    }
    out.wire_size += kRecordHeader + (*header)->length;
    if (*size && out.message.size() == **size) {
      out.complete = true;
      return out;
    }
  }
}

// ClientHello := legacy_version u16 | random[32] | session_id<0..32> | cipher_suites<2..> | compression<1..> |
// extensions Returns a reader over the extensions and whatever lies behind; in a hello that is cut short they may be
// cut too.
Result<Reader> skip_to_extensions(ByteView message) {
  Reader reader(message);
  TRY_VOID(reader.bytes(kHandshakeHeader));
  TRY(auto version, reader.u16());
  TRY_VOID(reader.bytes(32));
  TRY(auto session_id, reader.bytes_u8());
  TRY(auto suites, reader.bytes_u16());
  TRY(auto compressions, reader.bytes_u8());
  if ((version >> 8U) != 3) return fail(Errc::malformed, "client hello: legacy version not 3.x");
  if (session_id.size() > 32) return fail(Errc::malformed, "client hello: session id over 32 bytes");
  if (suites.empty() || suites.size() % 2 != 0) return fail(Errc::malformed, "client hello: odd cipher suites");
  if (std::ranges::find(compressions, std::uint8_t{0}) == compressions.end())
    return fail(Errc::malformed, "client hello: compression without null");
  return reader;
}

// Whether a key share of a post-quantum group begins within the part of the hello that is there.
bool shows_post_quantum(ByteView partial_message) {
  auto reader = skip_to_extensions(partial_message);
  if (!reader || !reader->u16()) return false;
  while (reader->remaining() > 0) {
    auto type = reader->u16();
    auto length = reader->u16();
    if (!type || !length) return false;
    const ByteView here = reader->rest();
    const std::size_t size = std::min<std::size_t>(*length, here.size());
    if (*type == key_share) {
      Reader shares(here.first(size));
      if (!shares.u16()) return false;
      for (auto group = shares.u16(); group; group = shares.u16()) {
        if (is_post_quantum(*group)) return true;
        if (!shares.bytes_u16()) return false;
      }
    }
    if (!reader->bytes(size)) return false;
  }
  return false;
}

// One spelling for one name: lower case. An address is not a name (RFC 6066 §3), nor is what URLs would read as one.
Parsed<DnsName> canonical_name(ByteView host) {
  std::string text(as_text(host));
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  auto name = parse_dns_name(text);
  if (!name) return refuse(HelloFault::invalid_name);
  const std::string_view last = std::string_view(text).substr(text.rfind('.') + 1);
  if (std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; })) return refuse(HelloFault::invalid_name);
  return *std::move(name);
}

// ServerNameList := list u16 of (type u8 | host_name u16 bytes). RFC 6066 §3: "The ServerNameList MUST NOT contain more
// than one name of the same name_type", and host_name is the only type there is.
Parsed<DnsName> parse_server_name(ByteView extension) {
  Reader outer(extension);
  auto list = outer.bytes_u16();
  if (!list || outer.remaining() != 0) return refuse(HelloFault::malformed);
  if (list->empty()) return refuse(HelloFault::no_server_name);
  Reader names(*list);
  auto type = names.u8();
  if (!type) return refuse(HelloFault::malformed);
  if (*type != kHostName) return refuse(HelloFault::several_names);
  auto host = names.bytes_u16();
  if (!host) return refuse(HelloFault::malformed);
  if (names.remaining() != 0) return refuse(HelloFault::several_names);
  return canonical_name(*host);
}

// ProtocolNameList := list u16 of name u8 bytes                                    (RFC 7301 §3.1)
Result<std::vector<std::string>> parse_alpn(ByteView extension) {
  Reader outer(extension);
  TRY(auto list, outer.bytes_u16());
  TRY_VOID(outer.finish("alpn"));
  if (list.empty()) return fail(Errc::malformed, "alpn: empty list");
  std::vector<std::string> out;
  Reader names(list);
  while (names.remaining() > 0) {
    TRY(auto name, names.bytes_u8());
    if (name.empty() || out.size() == kMaxAlpnProtocols) return fail(Errc::malformed, "alpn: empty name or too many");
    out.emplace_back(as_text(name));
  }
  return out;
}

Result<bool> parse_offers_tls13(ByteView extension) {
  Reader outer(extension);
  TRY(auto list, outer.bytes_u8());
  TRY_VOID(outer.finish("supported versions"));
  bool found = false;
  Reader versions(list);
  while (versions.remaining() > 0) {
    TRY(auto version, versions.u16());
    found = found || version == kTls13;
  }
  return found;
}

Result<bool> parse_post_quantum(ByteView extension) {
  Reader outer(extension);
  TRY(auto list, outer.bytes_u16());
  TRY_VOID(outer.finish("key share"));
  bool found = false;
  Reader shares(list);
  while (shares.remaining() > 0) {
    TRY(auto group, shares.u16());
    TRY_VOID(shares.bytes_u16());
    found = found || is_post_quantum(group);
  }
  return found;
}

// Stores a value, or says that it was malformed.
template <class T>
bool take(T& into, Result<T> from) {
  if (!from) return false;
  into = *std::move(from);
  return true;
}

std::optional<HelloFault> parse_extension(std::uint16_t type, ByteView value, ClientHello& hello) {
  switch (type) {
    case server_name: {
      auto name = parse_server_name(value);
      if (!name) return name.error();
      hello.server_name = *std::move(name);
      return std::nullopt;
    }
    case alpn:
      return take(hello.alpn, parse_alpn(value)) ? std::nullopt : std::optional(HelloFault::malformed);
    case supported_versions:
      return take(hello.offers_tls13, parse_offers_tls13(value)) ? std::nullopt : std::optional(HelloFault::malformed);
    case key_share:
      return take(hello.post_quantum, parse_post_quantum(value)) ? std::nullopt : std::optional(HelloFault::malformed);
    case early_data:
      hello.early_data = true;
      return value.empty() ? std::nullopt : std::optional(HelloFault::malformed);
    default:
      return std::nullopt;
  }
}

Parsed<ClientHello> parse_message(ByteView message) {
  auto reader = skip_to_extensions(message);
  if (!reader) return refuse(HelloFault::malformed);
  if (reader->remaining() == 0) return refuse(HelloFault::no_server_name);
  auto list = reader->bytes_u16();
  if (!list || reader->remaining() != 0) return refuse(HelloFault::malformed);

  ClientHello hello;
  std::vector<std::uint16_t> seen;
  Reader extensions(*list);
  while (extensions.remaining() > 0) {
    auto type = extensions.u16();
    if (!type) return refuse(HelloFault::malformed);
    auto value = extensions.bytes_u16();
    if (!value) return refuse(HelloFault::malformed);
    // "There MUST NOT be more than one extension of the same type in a given extension block." (RFC 8446 §4.2)
    if (std::ranges::find(seen, *type) != seen.end()) return refuse(HelloFault::malformed);
    if (seen.size() == kMaxHelloExtensions) return refuse(HelloFault::malformed);
    seen.push_back(*type);
    if (auto fault = parse_extension(*type, *value, hello)) return refuse(*fault);
  }
  if (hello.server_name.get().empty()) return refuse(HelloFault::no_server_name);
  return hello;
}

HelloOutcome finish(const Assembly& assembly) {
  auto hello = parse_message(assembly.message);
  if (!hello) return HelloRefused{.fault = hello.error()};
  hello->wire_size = assembly.wire_size;
  return *std::move(hello);
}

}  // namespace

bool ClientHello::offers(std::string_view protocol) const {
  return std::ranges::find(alpn, protocol) != alpn.end();
}

std::string_view to_string(HelloFault fault) {
  switch (fault) {
    case HelloFault::not_tls:
      return "not_tls";
    case HelloFault::malformed:
      return "malformed";
    case HelloFault::too_long:
      return "too_long";
    case HelloFault::no_server_name:
      return "no_server_name";
    case HelloFault::several_names:
      return "several_names";
    case HelloFault::invalid_name:
      return "invalid_name";
  }
  return "unknown";
}

HelloOutcome parse_client_hello(ByteView received) {
  // Judged in the order in which bytes arrive, so that no outcome depends on how they were split: first what fits into
  // the smaller cap, and beyond it only a hello that has shown a post-quantum share by then.
  auto classic = assemble(received.first(std::min(received.size(), kMaxHelloClassic)));
  if (!classic) return HelloRefused{.fault = classic.error()};
  if (classic->complete) return finish(*classic);
  if (received.size() < kMaxHelloClassic) return HelloNeedsMore{.total = std::min(classic->wanted, kMaxHelloClassic)};
  if (!shows_post_quantum(classic->message)) return HelloRefused{.fault = HelloFault::too_long};

  auto hybrid = assemble(received.first(std::min(received.size(), kMaxHelloHybrid)));
  if (!hybrid) return HelloRefused{.fault = hybrid.error()};
  if (hybrid->complete) return finish(*hybrid);
  if (received.size() >= kMaxHelloHybrid) return HelloRefused{.fault = HelloFault::too_long};
  return HelloNeedsMore{.total = std::min(std::max(hybrid->wanted, received.size() + 1), kMaxHelloHybrid)};
}

Bytes encode_alert(Alert alert) {
  constexpr std::uint8_t kAlertRecord = 21;
  constexpr std::uint8_t kFatal = 2;
  return {kAlertRecord, 3, 3, 0, 2, kFatal, static_cast<std::uint8_t>(alert)};
}

Alert alert_for(HelloFault fault) {
  switch (fault) {
    case HelloFault::not_tls:
      return Alert::unexpected_message;
    case HelloFault::malformed:
      return Alert::decode_error;
    case HelloFault::too_long:
      return Alert::handshake_failure;
    case HelloFault::no_server_name:
    case HelloFault::several_names:
    case HelloFault::invalid_name:
      return Alert::unrecognized_name;
  }
  return Alert::internal_error;
}

}  // namespace sallyport::tunnel
