#include "sealed/eva_binary.h"

#include "codec/msgpack.h"
#include "codec/zlib.h"

namespace sallyport::sealed::eva {

using codec::Json;

namespace {

constexpr std::uint8_t kBinaryMark = 0x00;
constexpr std::uint8_t kResponseCode = 0xC8;  // 200

bool is_packing(std::uint8_t byte) {
  return byte == static_cast<std::uint8_t>(Packing::plain) || byte == static_cast<std::uint8_t>(Packing::zlib);
}

Bytes pack(Packing packing, const Body& body) {
  Bytes plain = body.to_msgpack();
  return packing == Packing::zlib ? codec::deflate_zlib(plain) : plain;
}

Result<Json> unpack(Packing packing, ByteView bytes, const Limits& limits) {
  if (packing == Packing::plain) return codec::parse_msgpack(bytes, limits.body);
  TRY(const Bytes plain, codec::inflate_zlib(bytes, limits.body.size));
  return codec::parse_msgpack(plain, limits.body);
}

}  // namespace

Tag BinaryRequest::tag() const {
  SALLYPORT_CHECK(block.size() >= crypto::kCbcTagBytes);
  Tag out;
  std::ranges::copy(block.last(crypto::kCbcTagBytes), out.begin());
  return out;
}

Result<BinaryRequest> parse_binary_request(ByteView payload) {
  if (payload.size() < 2 || payload[0] != kBinaryMark) return fail(Errc::malformed, "eva request: no binary head");
  if (!is_packing(payload[1])) return failf(Errc::malformed, "eva request: packing {}, want 2 or 3", payload[1]);
  const ByteView rest = payload.subspan(2);
  const auto end = std::ranges::find(rest, std::uint8_t{0});
  if (end == rest.end()) return fail(Errc::malformed, "eva request: key id without an end");
  const auto id_size = static_cast<std::size_t>(end - rest.begin());
  const std::string_view id = as_text(rest.first(id_size));
  TRY_VOID(parse_key_id(id));
  const ByteView block = rest.subspan(id_size + 1);
  if (block.size() < crypto::kCbcLeastBytes + crypto::kCbcBlockBytes || block.size() % crypto::kCbcBlockBytes != 0) {
    return failf(Errc::malformed, "eva request: block of {} bytes", block.size());
  }
  return BinaryRequest{.packing = static_cast<Packing>(payload[1]), .key_id = id, .block = block};
}

Result<OpenedRequest> open_binary_request(const BinaryRequest& request, const Key& key, const Limits& limits) {
  TRY(const SecretBytes plain, crypto::cbc_open(key.binary(), {}, request.block));
  Reader reader(plain.expose());
  TRY(const RequestId id, reader.array<16>());
  TRY(Json body, unpack(request.packing, reader.rest(), limits));
  return OpenedRequest{.id = id, .body = std::move(body)};
}

Bytes seal_binary_request(const Key& key, Packing packing, const RequestId& id, const Body& body,
                          const crypto::CbcIv& iv) {
  Bytes plain = to_bytes(ByteView(id));
  append(plain, pack(packing, body));
  const SecretBytes secret(std::move(plain));
  return Writer()
      .u8(kBinaryMark)
      .u8(static_cast<std::uint8_t>(packing))
      .text(key.id().get())
      .u8(0)
      .bytes(crypto::cbc_seal(key.binary(), {}, iv, secret.expose()))
      .take();
}

Bytes seal_binary_response(const Key& key, Packing packing, const Body& body, const crypto::CbcIv& iv) {
  const SecretBytes plain(pack(packing, body));
  return Writer()
      .u8(kBinaryMark)
      .u8(kResponseCode)
      .bytes(crypto::cbc_seal(key.binary(), {}, iv, plain.expose()))
      .take();
}

Result<Json> open_binary_response(ByteView payload, const Key& key, Packing packing, const Limits& limits) {
  if (payload.size() > limits.message) return failf(Errc::overloaded, "eva response: {} bytes", payload.size());
  if (payload.size() < 2 || payload[0] != kBinaryMark || payload[1] != kResponseCode) {
    return fail(Errc::malformed, "eva response: no binary head");
  }
  TRY(const SecretBytes plain, crypto::cbc_open(key.binary(), {}, payload.subspan(2)));
  return unpack(packing, plain.expose(), limits);
}

}  // namespace sallyport::sealed::eva
