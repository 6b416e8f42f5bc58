#include "pki/reason.h"

#include <array>

namespace sallyport::pki {
namespace {

constexpr std::array<std::string_view, kReasons> kNames = {
    "malformed",         "chain_empty",       "chain_too_long",
    "no_anchor",         "issuer_mismatch",   "key_id_mismatch",
    "bad_signature",     "weak_algorithm",    "expired",
    "not_yet_valid",     "not_a_ca",          "leaf_is_a_ca",
    "path_length",       "key_usage",         "extended_key_usage",
    "name_constraint",   "unknown_critical",  "policy",
    "alternative_names", "identity",          "root_link",
    "ca_revoked",        "crl_stale",         "crl_unusable",
    "responder_error",   "try_later",         "responder_unauthorized",
    "responder_ratchet", "wrong_certificate", "nonce_mismatch",
    "outside_window",    "status_revoked",    "status_unknown",
    "work_limit",        "no_valid_policy",
};
static_assert(static_cast<std::size_t>(Reason::no_valid_policy) + 1 == kNames.size());

constexpr std::array<std::string_view, kReasons> kWords = {
    "something in it does not follow its format",
    "no certificate was shown",
    "there are more certificates than are looked at, or the path is longer than allowed",
    "no path leads to a trusted certificate",
    "the issuer that a certificate names is not there",
    "a certificate was made by another key than the one it names, or says nothing of the key",
    "a signature is not its issuer's",
    "a key or signature algorithm that is too weak, or not one that is accepted",
    "a certificate has ended",
    "a certificate has not begun",
    "a certificate issued another and is no CA",
    "the certificate is a CA and not one of somebody",
    "more CAs stand below a CA than it allows",
    "a key is used for what its certificate does not allow",
    "a certificate, or a CA above it, is for other uses",
    "a name is not the CA's to give",
    "an extension that must be understood is not",
    "the policy is another than the one wanted",
    "the names are not exactly those that this kind of certificate has",
    "the certificate is sound, and somebody else's",
    "the new root is not the one that the old root named",
    "a CA is revoked",
    "the revocation list is too old, or from the future",
    "the revocation list cannot be used",
    "the status service answered with an error",
    "the status service asks to come later",
    "the status answer is signed by somebody who may not",
    "the status answer is signed by an older signer than before",
    "the status answer is about another certificate",
    "the status answer is not to this question",
    "the status answer is too old, or from the future",
    "the certificate is revoked",
    "whether the certificate is revoked cannot be known",
    "judging it would cost too much",
    "no policy that is required is valid along the path",
};

Errc errc_of(Reason reason) {
  switch (reason) {
    case Reason::malformed:
      return Errc::malformed;
    case Reason::expired:
    case Reason::not_yet_valid:
    case Reason::crl_stale:
    case Reason::outside_window:
      return Errc::expired;
    case Reason::chain_too_long:
    case Reason::work_limit:
      return Errc::overloaded;
    case Reason::try_later:
    case Reason::responder_error:
      return Errc::unavailable;
    default:
      return Errc::unauthorized;
  }
}

}  // namespace

std::string_view to_string(Reason reason) {
  return kNames[static_cast<std::size_t>(reason)];
}

std::string_view in_words(Reason reason) {
  return kWords[static_cast<std::size_t>(reason)];
}

std::unexpected<Refusal> refuse(Reason reason, std::string detail) {
  return std::unexpected<Refusal>(Refusal{reason, Error{errc_of(reason), std::move(detail)}});
}

}  // namespace sallyport::pki
