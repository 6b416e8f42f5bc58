#include "sealed/messages.h"

#include <algorithm>
#include <limits>

#include "codec/der.h"
#include "crypto/hash.h"

namespace sallyport::sealed {
namespace {

constexpr std::string_view kContextMark = "SR1";
constexpr std::string_view kCallerMark{"sallyport/rpc-caller/v1\0", 24};

}  // namespace

MessageTail tail_of(ByteView message) {
  SALLYPORT_CHECK(message.size() >= kSealTail);
  MessageTail out;
  std::ranges::copy(message.last(kSealTail), out.begin());
  return out;
}

Bytes message_context(MessageType type, std::string_view request_topic, const NodeName& node) {
  return Writer()
      .text(kContextMark)
      .u8(static_cast<std::uint8_t>(type))
      .bytes_u16(as_bytes(request_topic))
      .bytes_u8(as_bytes(node.get()))
      .take();
}

Bytes init_prologue(std::string_view request_topic, const NodeName& node, const Hint& hint) {
  Bytes out = message_context(MessageType::init, request_topic, node);
  append(out, hint);
  return out;
}

Bytes init_cert_prologue(std::string_view request_topic, const NodeName& node, std::uint32_t prekey_id) {
  Bytes out = message_context(MessageType::init_cert, request_topic, node);
  append(out, Writer().u32(prekey_id).view());
  return out;
}

Inbox derive_inbox(ByteView secret, const crypto::AgreementPublic& ephemeral) {
  const SecretBytes derived = crypto::hkdf_sha256(secret, as_bytes("SR1 inbox"), ephemeral, std::tuple_size_v<Inbox>);
  Inbox out{};
  std::ranges::copy(derived.expose(), out.begin());
  return out;
}

Result<InitView> parse_init(ByteView message) {
  if (message.size() < kInitBytes) return failf(Errc::malformed, "init: {} bytes, want {}", message.size(), kInitBytes);
  Reader reader(message.subspan(1));
  InitView out;
  TRY(out.hint, reader.array<6>());
  TRY(out.ephemeral, reader.array<crypto::kAgreementBytes>());
  out.sealed = reader.rest();
  return out;
}

Result<InitCertView> parse_init_cert(ByteView message) {
  if (message.size() < kInitCertBytes)
    return failf(Errc::malformed, "init-cert: {} bytes, want {}", message.size(), kInitCertBytes);
  Reader reader(message.subspan(1));
  InitCertView out;
  TRY(out.prekey_id, reader.u32());
  TRY(out.ephemeral, reader.array<crypto::kAgreementBytes>());
  out.sealed = reader.rest();
  return out;
}

Bytes encode_init_payload(UnixTime time, ByteView body) {
  return Writer().u32(clamp_time(time)).bytes(body).take();
}

Result<InitPayload> parse_init_payload(ByteView payload) {
  Reader reader(payload);
  TRY(const auto time, reader.u32());
  return InitPayload{.time = UnixTime(time), .body = reader.rest()};
}

Bytes encode_certified_payload(ByteView chain, ByteView signature, UnixTime time, ByteView body) {
  return Writer().bytes_u16(chain).bytes_u8(signature).u32(clamp_time(time)).bytes(body).take();
}

Result<CertifiedPayload> parse_certified_payload(ByteView payload) {
  Reader reader(payload);
  CertifiedPayload out;
  TRY(out.chain, reader.bytes_u16());
  TRY(out.signature, reader.bytes_u8());
  TRY(out.init, parse_init_payload(reader.rest()));
  return out;
}

Result<std::vector<Bytes>> split_chain(ByteView chain) {
  std::vector<Bytes> out;
  for (codec::der::Reader reader(chain); !reader.at_end();) {
    if (out.size() == kMaxCallerCertificates)
      return failf(Errc::malformed, "caller's chain: more than {} certificates", kMaxCallerCertificates);
    TRY(const auto element, reader.any());
    out.push_back(to_bytes(element.whole));
  }
  if (out.empty()) return fail(Errc::malformed, "caller's chain: empty, want its certificate");
  return out;
}

Bytes caller_signing_input(ByteView handshake_hash, UnixTime time, ByteView chain) {
  return Writer().text(kCallerMark).bytes(handshake_hash).u32(clamp_time(time)).bytes(crypto::sha256(chain)).take();
}

std::uint32_t clamp_time(UnixTime time) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.since_epoch(), 0, kMost));
}

}  // namespace sallyport::sealed
