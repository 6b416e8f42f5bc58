// Why a certificate, chain, status answer or signed object was refused: stable codes for programs, a sentence for
// people.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace sallyport::pki {

// The names (to_string) are stable and appear in logs, API answers and tests; docs/operate/reasons.md explains each.
enum class Reason : std::uint8_t {
  malformed,  // does not parse
  chain_empty,
  chain_too_long,
  no_anchor,        // ends at no trust anchor
  issuer_mismatch,  // issuer and subject names differ
  key_id_mismatch,  // AKI and SKI differ, or one of ours lacks them
  bad_signature,
  weak_algorithm,
  expired,
  not_yet_valid,
  not_a_ca,
  leaf_is_a_ca,
  path_length,
  key_usage,
  extended_key_usage,
  name_constraint,
  unknown_critical,
  policy,             // the leaf's is not its CA's, or not the one wanted
  alternative_names,  // not exactly the expected set
  identity,           // well-formed, but somebody else
  root_link,          // a link certificate that the old root does not pin
  ca_revoked,         // on the root CRL
  crl_stale,
  crl_unusable,
  responder_error,  // OCSP: not "successful"; try_later is apart
  try_later,
  responder_unauthorized,  // OCSP: signer is not the CA's delegate
  responder_ratchet,       // OCSP: a signer older than one accepted before
  wrong_certificate,       // OCSP: another CertID than asked, or not exactly one
  nonce_mismatch,
  outside_window,  // OCSP: thisUpdate, nextUpdate or producedAt
  status_revoked,
  status_unknown,
  work_limit,       // the certificates given would cost too much to judge
  no_valid_policy,  // a policy is required and none is valid along the path (RFC 5280 §6.1.5)
};
std::string_view to_string(Reason reason);
inline constexpr std::size_t kReasons = 35;
// The reason as half a sentence for people: "the certificate has ended".
std::string_view in_words(Reason reason);

// A refusal. Converts to Error, so that TRY works across it.
struct [[nodiscard]] Refusal {
  Reason reason{};
  Error error;
  // NOLINTNEXTLINE(google-explicit-constructor): a Refusal is an Error with a code for programs.
  operator Error() && { return std::move(error); }
};

template <class T>
struct [[nodiscard]] Verdict : std::expected<T, Refusal> {
  using std::expected<T, Refusal>::expected;
};

// Makes a refusal whose Errc follows from the reason (expired, overloaded, malformed, else unauthorized).
std::unexpected<Refusal> refuse(Reason reason, std::string detail);

}  // namespace sallyport::pki
