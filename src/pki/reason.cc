#include "pki/reason.h"

#include <array>

namespace sallyport::pki {
namespace {

constexpr std::array<std::string_view, 35> kNames = {
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

std::unexpected<Refusal> refuse(Reason reason, std::string detail) {
  return std::unexpected<Refusal>(Refusal{reason, Error{errc_of(reason), std::move(detail)}});
}

}  // namespace sallyport::pki
