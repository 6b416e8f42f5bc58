// The binary frames of EVA ICS v3, byte for byte. All is big-endian; sizes in bytes.
//
//   request    0x00 | packing: 0x02, or 0x03 with zlib | key id | 0x00 | E( 16 request id | body )
//   response   0x00 | 0xC8 | E( body )                        body packed as in the request
//   E(p)       16 IV | AES-256-CBC(p) | 32 HMAC-SHA256        both under the same 32 bytes (eva_key.h)
//   body       JSON-RPC in MessagePack, or zlib of that
//
// The tag covers neither head nor topic: who can publish may change the packing, the key id, the target and the
// response code. So what a request says in clear decides nothing here but by which key it is opened.
#pragma once

#include "crypto/cbc.h"
#include "sealed/eva_key.h"
#include "sealed/eva_message.h"

namespace sallyport::sealed::eva {

enum class Packing : std::uint8_t { plain = 2, zlib = 3 };

// What the tag of E is: equal for no two messages but copies.
using Tag = std::array<std::uint8_t, crypto::kCbcTagBytes>;

// A request nobody has vouched for yet. Borrows the payload.
struct BinaryRequest {
  Packing packing = Packing::plain;
  std::string_view key_id;
  ByteView block;

  Tag tag() const;  // as the block has it
};

struct OpenedRequest {
  RequestId id;
  codec::Json body;
};

// Errc::malformed for anything else than one head and a block that may be whole.
Result<BinaryRequest> parse_binary_request(ByteView payload);
// Errc::unauthorized when the key did not seal it, Errc::malformed for what it sealed, Errc::overloaded over a limit.
Result<OpenedRequest> open_binary_request(const BinaryRequest& request, const Key& key, const Limits& limits);
Bytes seal_binary_request(const Key& key, Packing packing, const RequestId& id, const Body& body,
                          const crypto::CbcIv& iv);

Bytes seal_binary_response(const Key& key, Packing packing, const Body& body, const crypto::CbcIv& iv);
// As open_binary_request(). The code of the head is no part of what was sealed: whether the call succeeded is in the
// body.
Result<codec::Json> open_binary_response(ByteView payload, const Key& key, Packing packing, const Limits& limits);

}  // namespace sallyport::sealed::eva
