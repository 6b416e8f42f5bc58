#include "tunnel/proxy_header.h"

#include <algorithm>

#include "tunnel/limits.h"

namespace sallyport::tunnel {
namespace {

constexpr std::array<std::uint8_t, 12> kSignature = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D,
                                                     0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};
constexpr std::size_t kFixedPart = 16;
constexpr std::uint8_t kLocal = 0x20;  // version 2, command LOCAL
constexpr std::uint8_t kProxy = 0x21;  // version 2, command PROXY
constexpr std::uint8_t kUnspecified = 0x00;
constexpr std::uint8_t kTcpOverV4 = 0x11;
constexpr std::uint8_t kTcpOverV6 = 0x21;

// address := source | destination | source_port u16 | destination_port u16
template <class Address>
Result<Address> parse_address(Reader& reader) {
  Address out;
  constexpr std::size_t kSize = sizeof(out.source);
  TRY(out.source, reader.array<kSize>());
  TRY(out.destination, reader.array<kSize>());
  TRY(out.source_port, reader.u16());
  TRY(out.destination_port, reader.u16());
  return out;
}

// tlv := type u8 | length u16 | value[length]
Result<std::vector<ProxyTlv>> parse_tlvs(Reader& reader) {
  std::vector<ProxyTlv> out;
  while (reader.remaining() > 0) {
    if (out.size() == kMaxProxyTlvs) return failf(Errc::overloaded, "proxy header: over {} TLVs", kMaxProxyTlvs);
    TRY(auto type, reader.u8());
    TRY(auto value, reader.bytes_u16());
    out.push_back({.type = type, .value = to_bytes(value)});
  }
  return out;
}

Result<ProxyHeader> parse_body(std::uint8_t command, std::uint8_t family, ByteView body) {
  ProxyHeader out;
  Reader reader(body);
  if (command == kLocal) {
    // §2.2: "The receiver must accept this connection as valid and must use the real connection endpoints and discard
    // the protocol block".
    out.address = ProxyLocal{};
    return out;
  }
  if (family == kTcpOverV4) {
    TRY(out.address, parse_address<ProxyAddressV4>(reader));
  } else {
    TRY(out.address, parse_address<ProxyAddressV6>(reader));
  }
  TRY(out.tlvs, parse_tlvs(reader));
  return out;
}

struct AddressEncoder {
  Writer& body;
  std::uint8_t operator()(const ProxyLocal&) const { return kUnspecified; }
  std::uint8_t operator()(const ProxyAddressV4& address) const { return write(address, kTcpOverV4); }
  std::uint8_t operator()(const ProxyAddressV6& address) const { return write(address, kTcpOverV6); }

  std::uint8_t write(const auto& address, std::uint8_t family) const {
    body.bytes(address.source).bytes(address.destination).u16(address.source_port).u16(address.destination_port);
    return family;
  }
};

}  // namespace

Result<std::optional<ProxyHeader>> parse_proxy_header(ByteView received) {
  const std::size_t known = std::min(received.size(), kSignature.size());
  if (!std::equal(kSignature.begin(), kSignature.begin() + static_cast<std::ptrdiff_t>(known), received.begin()))
    return fail(Errc::malformed, "proxy header: other signature");
  if (received.size() > 12 && received[12] != kLocal && received[12] != kProxy)
    return failf(Errc::malformed, "proxy header: version and command {:#04x}, want 0x20 or 0x21", received[12]);
  if (received.size() > 13 && received[12] == kProxy && received[13] != kTcpOverV4 && received[13] != kTcpOverV6)
    return failf(Errc::malformed, "proxy header: family {:#04x}, want 0x11 or 0x21", received[13]);
  if (received.size() < kFixedPart) return std::nullopt;
  const std::size_t length = (std::size_t{received[14]} << 8U) | received[15];
  if (kFixedPart + length > kMaxProxyHeader)
    return failf(Errc::overloaded, "proxy header: {} bytes, want at most {}", kFixedPart + length, kMaxProxyHeader);
  if (received.size() < kFixedPart + length) return std::nullopt;
  TRY(auto header, parse_body(received[12], received[13], received.subspan(kFixedPart, length)));
  header.wire_size = kFixedPart + length;
  return header;
}

Bytes encode_proxy_header(const ProxyHeader& header) {
  SALLYPORT_CHECK(header.tlvs.size() <= kMaxProxyTlvs);
  Writer body;
  const std::uint8_t family = std::visit(AddressEncoder{body}, header.address);
  const bool local = std::holds_alternative<ProxyLocal>(header.address);
  for (const ProxyTlv& tlv : header.tlvs) body.u8(tlv.type).bytes_u16(tlv.value);
  SALLYPORT_CHECK(kFixedPart + body.size() <= kMaxProxyHeader);
  Writer out;
  out.bytes(kSignature).u8(local ? kLocal : kProxy).u8(family).bytes_u16(body.view());
  return std::move(out).take();
}

}  // namespace sallyport::tunnel
