// One question to an OCSP responder, and what the answer proves: the strict rules of pki/ocsp.h, as devices have them.
#pragma once

#include <optional>
#include <string>

#include "command.h"
#include "net/address.h"
#include "pki/ocsp.h"

namespace sallyport::cli {

inline constexpr milliseconds kOcspLimit{10'000};
// What a responder of somebody else's PKI may have signed this long ago.
inline constexpr seconds kForeignAnswerLife = 10 * kDay;

// Where a responder is: "http://HOST[:PORT][/PATH]". OCSP proves itself, so it needs no TLS.
struct ResponderUrl {
  std::string text;
  net::Address address;
  std::string host;    // as it goes into Host
  std::string target;  // "/ocsp"
};
// Errc::malformed on anything else.
Result<ResponderUrl> parse_responder_url(std::string_view text);

struct OcspQuestion {
  pki::Certificate issuer;
  pki::SerialNumber serial;
  ResponderUrl url;
  std::optional<net::Address> connect_to;  // instead of looking the URL's host up
  std::optional<Bytes> nonce;
  pki::CertIdHash hash = pki::CertIdHash::sha256;
  bool foreign = false;
};

struct OcspExchange {
  Bytes answer;
  milliseconds took{};
};
// Connects and asks. Any error means that there is no answer.
Result<OcspExchange> ask_responder(const OcspQuestion& question, const Clock& clock);

// good, revoked, unknown: proven to be said of the certificate now, by who may say so. no_answer: the responder said
// that it cannot answer now. refused: whatever came, nothing about the certificate follows from it.
enum class OcspVerdict : std::uint8_t { good, revoked, unknown, no_answer, refused };
std::string_view to_string(OcspVerdict verdict);

struct OcspJudgement {
  OcspVerdict verdict = OcspVerdict::refused;
  std::optional<pki::Reason> reason;  // absent with good
  std::string detail;
  std::optional<pki::OcspResponse> response;  // absent when it does not parse
  std::optional<pki::Certificate> signer;     // whom the answer was proven to be from: with good, revoked and unknown

  // The status that was proven; null without one.
  const pki::SingleResponse* proven() const;
};
OcspJudgement judge_answer(const OcspQuestion& question, ByteView answer, UnixTime now);

}  // namespace sallyport::cli
