// The text frames of EVA ICS v3, byte for byte: Fernet tokens, for programs without MessagePack.
//
//   request    "|" key id "|" token of ( CALL_ID "|" JSON-RPC in JSON )
//   response   "200|" token of ( JSON-RPC in JSON ), or "500|": an exception, in clear
//   token      base64url with padding of  0x80 | 8 Unix time | 16 IV | AES-128-CBC | 32 HMAC-SHA256 over all before
//
// EVA takes a token of any age and any CALL_ID, which becomes part of a topic; here a token lives for a minute, and
// CALL_ID has a grammar that leaves its topic level to nobody.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "crypto/cbc.h"
#include "sealed/eva_binary.h"
#include "sealed/eva_key.h"
#include "sealed/eva_message.h"

namespace sallyport::sealed::eva {

// How far the time of a token may lie from ours, on either side.
inline constexpr seconds kTokenLife{60};

// 1 to 64 of 0-9 A-Z a-z _ and -.
using CallId = Strong<std::string, struct EvaCallIdTag>;
Result<CallId> parse_call_id(std::string_view text);
// 32 hexadecimal digits: what a binary request is answered to.
CallId call_id_of(const RequestId& id);

struct Token {
  UnixTime made;
  Tag tag{};
  SecretBytes plain;
};

std::string seal_token(const crypto::CbcKeys& keys, UnixTime now, const crypto::CbcIv& iv, ByteView plain);
// Errc::malformed for what is no token, Errc::unauthorized when the key did not seal it, then Errc::expired when it is
// more than kTokenLife from `now`.
Result<Token> open_token(std::string_view token, const crypto::CbcKeys& keys, UnixTime now);

// A request nobody has vouched for yet. Borrows the payload.
struct TextRequest {
  std::string_view key_id;
  std::string_view token;
};

struct OpenedTextRequest {
  CallId call_id;
  UnixTime made;
  Tag tag{};
  codec::Json body;
};

Result<TextRequest> parse_text_request(std::string_view payload);
// As open_token(); also Errc::malformed for a CALL_ID of other characters or a body that is no JSON.
Result<OpenedTextRequest> open_text_request(const TextRequest& request, const Key& key, UnixTime now,
                                            const Limits& limits);
std::string seal_text_request(const Key& key, const CallId& call_id, const Body& body, UnixTime now,
                              const crypto::CbcIv& iv);

std::string seal_text_response(const Key& key, const Body& body, UnixTime now, const crypto::CbcIv& iv);
// As open_token(). "500|" is no response: is_unsealed_failure().
Result<codec::Json> open_text_response(std::string_view payload, const Key& key, UnixTime now, const Limits& limits);
// Whether this is "500|": the server's word that it failed, to binary callers too, if it was the server: nobody has
// sealed it.
bool is_unsealed_failure(ByteView payload);

}  // namespace sallyport::sealed::eva
