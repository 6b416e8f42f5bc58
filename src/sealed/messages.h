// Messages of sealed RPC as bytes, before anything is opened and after (docs/protocol/sealed-rpc.md §3, §4). Views
// borrow from what was parsed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/x25519.h"
#include "sealed/api_key.h"
#include "sealed/names.h"

namespace sallyport::sealed {

enum class MessageType : std::uint8_t { init = 0x51, init_cert = 0x52, accept = 0x53, data = 0x54, reply = 0x55 };

inline constexpr std::size_t kSealTail = 16;  // the tag at the end of every message
inline constexpr std::size_t kInitBytes = 59;
inline constexpr std::size_t kAcceptBytes = 49;
inline constexpr std::size_t kDataBytes = 25;
inline constexpr std::size_t kDataHead = 9;  // type and tag
inline constexpr std::size_t kInitCertBytes = 60;
inline constexpr std::size_t kMaxCallerCertificates = 6;

// The number by which the answer to the body of an INIT is told; no DATA has it.
inline constexpr std::uint64_t kInitRequest = ~std::uint64_t{0};

using MessageTail = std::array<std::uint8_t, kSealTail>;
// The last 16 bytes of a message that is long enough.
MessageTail tail_of(ByteView message);

// What is authenticated in every message and never sent.
Bytes message_context(MessageType type, std::string_view request_topic, const NodeName& node);
Bytes init_prologue(std::string_view request_topic, const NodeName& node, const Hint& hint);
Bytes init_cert_prologue(std::string_view request_topic, const NodeName& node, std::uint32_t prekey_id);

// `secret`: the node key, or DH(e, prekey).
Inbox derive_inbox(ByteView secret, const crypto::AgreementPublic& ephemeral);

struct InitView {
  Hint hint{};
  crypto::AgreementPublic ephemeral{};
  ByteView sealed;  // borrows
};
struct InitCertView {
  std::uint32_t prekey_id = 0;
  crypto::AgreementPublic ephemeral{};
  ByteView sealed;  // borrows
};
// Each takes a whole message, type included, of the right type. Errc::malformed when it is too short.
Result<InitView> parse_init(ByteView message);
Result<InitCertView> parse_init_cert(ByteView message);

// What INIT and INIT-CERT seal.
struct InitPayload {
  UnixTime time;
  ByteView body;  // borrows
};
struct CertifiedPayload {
  ByteView chain;  // borrows, as the next ones do
  ByteView signature;
  InitPayload init;
};
Bytes encode_init_payload(UnixTime time, ByteView body);
Result<InitPayload> parse_init_payload(ByteView payload);
// Chain and signature must fit their lengths (65,535 and 255).
Bytes encode_certified_payload(ByteView chain, ByteView signature, UnixTime time, ByteView body);
Result<CertifiedPayload> parse_certified_payload(ByteView payload);
// The DER elements of `chain`, 1 to kMaxCallerCertificates.
Result<std::vector<Bytes>> split_chain(ByteView chain);
// What a caller's certificate signs.
Bytes caller_signing_input(ByteView handshake_hash, UnixTime time, ByteView chain);

// Whole seconds in 32 bits; outside them the nearest.
std::uint32_t clamp_time(UnixTime time);

}  // namespace sallyport::sealed
