#include <algorithm>

#include "pki/detail/rules.h"
#include "pki/ocsp.h"
#include "pki/oids.h"

namespace sallyport::pki {

// One judgement of one response; RFC 6960 §3.2 has what must hold of any.
class OcspCheck {
 public:
  OcspCheck(const OcspResponse& response, const OcspExpectation& expected, const TimeRule& time)
      : response_(response), expected_(expected), time_(time) {}

  Verdict<GoodAnswer> run() const {
    if (auto ok = check_success(); !ok) return std::unexpected(std::move(ok).error());
    auto signer = find_signer();
    if (!signer) return std::unexpected(std::move(signer).error());
    using Step = Verdict<void> (OcspCheck::*)(const Certificate&) const;
    for (const Step check : {&OcspCheck::check_signer, &OcspCheck::check_signature, &OcspCheck::check_subject,
                             &OcspCheck::check_nonce, &OcspCheck::check_window, &OcspCheck::check_status}) {
      if (auto ok = (this->*check)(*signer); !ok) return std::unexpected(std::move(ok).error());
    }
    return GoodAnswer(single(), response_.answer.produced_at, *std::move(signer));
  }

 private:
  const SingleResponse& single() const { return response_.answer.responses.front(); }
  UnixTime produced_at() const { return response_.answer.produced_at; }

  Verdict<void> check_success() const {
    if (response_.status == OcspResponseStatus::try_later)
      return refuse(Reason::try_later, "OCSP: responder says try later");
    if (response_.status != OcspResponseStatus::successful) {
      return refuse(Reason::responder_error,
                    fmt::format("OCSP: responder says error {}", static_cast<int>(response_.status)));
    }
    return {};
  }

  bool is_responder(const Certificate& certificate) const {
    if (!response_.responder_key_hash.empty()) {
      return equal(response_.responder_key_hash, crypto::sha1(certificate.public_key_bits()));
    }
    return equal(response_.responder_name, certificate.subject().der());
  }

  Verdict<Certificate> find_signer() const {
    for (const Certificate& certificate : response_.certificates) {
      if (is_responder(certificate)) return certificate;
    }
    if (expected_.known_delegate && is_responder(*expected_.known_delegate)) return *expected_.known_delegate;
    if (expected_.foreign && is_responder(expected_.issuer)) return expected_.issuer;
    return refuse(Reason::responder_unauthorized, "OCSP: the responder's certificate is neither here nor known");
  }

  Verdict<void> check_signer(const Certificate& signer) const {
    if (expected_.foreign && signer == expected_.issuer) return {};
    const auto unauthorized = [](std::string_view why) {
      return refuse(Reason::responder_unauthorized, fmt::format("OCSP signer: {}", why));
    };
    const Certificate& issuer = expected_.issuer;
    if (!(signer.issuer() == issuer.subject()) ||
        !issuer.public_key().verify(signer.signature_scheme(), signer.tbs(), signer.signature())) {
      return unauthorized("not issued by the CA whose certificate is asked about");
    }
    const Extensions& extensions = signer.extensions();
    if (extensions.is_ca()) return unauthorized("is a CA");
    if (!extensions.has_extended_key_usage(oid::eku_ocsp_signing))
      return unauthorized("extended key usage without OCSPSigning");
    if (!extensions.unknown_critical.empty()) return unauthorized("an unknown critical extension");
    if (!expected_.foreign) {
      if (auto ok = detail::check_profile(profile(ProfileId::ocsp_signer), signer, &issuer); !ok)
        return unauthorized(ok.error().error.detail);
    }
    const Validity& validity = signer.validity();
    if (produced_at() < validity.not_before || produced_at() > validity.not_after)
      return unauthorized("not valid at producedAt");
    if (validity.not_after < time_.time()) return unauthorized("expired");
    if (validity.not_before < expected_.signer_not_before_at_least) {
      return refuse(Reason::responder_ratchet, "OCSP signer: older than one accepted before");
    }
    return {};
  }

  Verdict<void> check_signature(const Certificate& signer) const {
    if (!response_.scheme || !signer.public_key().verify(*response_.scheme, response_.tbs, response_.signature)) {
      return refuse(Reason::bad_signature, "OCSP: signature is not the responder's");
    }
    return {};
  }

  Verdict<void> check_subject(const Certificate&) const {
    const std::size_t count = response_.answer.responses.size();
    if (count != 1) return refuse(Reason::wrong_certificate, fmt::format("OCSP: {} answers, want one", count));
    if (single().id == make_cert_id(single().id.hash, expected_.issuer, expected_.serial)) return {};
    return refuse(Reason::wrong_certificate, "OCSP: an answer about another certificate");
  }

  Verdict<void> check_nonce(const Certificate&) const {
    if (!expected_.nonce) {
      if (time_.is_clock()) return {};
      return refuse(Reason::nonce_mismatch, "OCSP: without a trusted clock only an answer with a nonce counts");
    }
    if (!response_.answer.nonce) return refuse(Reason::nonce_mismatch, "OCSP: no nonce, want the one sent");
    if (!equal(*response_.answer.nonce, *expected_.nonce))
      return refuse(Reason::nonce_mismatch, "OCSP: another nonce than sent");
    return {};
  }

  // With a clock: around now. With a floor: above it, and consistent in itself.
  Verdict<void> check_window(const Certificate&) const {
    const auto outside = [](std::string_view what, UnixTime found) {
      return refuse(Reason::outside_window, fmt::format("OCSP: {} is {}", what, to_iso8601(found)));
    };
    const UnixTime now = time_.is_clock() ? time_.time() : produced_at();
    if (produced_at() > now + expected_.skew) return outside("producedAt", produced_at());
    if (produced_at() + expected_.skew < single().this_update) return outside("producedAt", produced_at());
    if (single().this_update > now + expected_.skew) return outside("thisUpdate", single().this_update);
    if (single().this_update + expected_.oldest < now) return outside("thisUpdate", single().this_update);
    if (single().next_update && *single().next_update < now) return outside("nextUpdate", *single().next_update);
    if (!time_.is_clock() && produced_at() < time_.time()) return outside("producedAt", produced_at());
    if (single().crl_number.value_or(expected_.crl_number_at_least) < expected_.crl_number_at_least) {
      return refuse(Reason::crl_unusable, "OCSP: a CRL number that has fallen");
    }
    return {};
  }

  Verdict<void> check_status(const Certificate&) const {
    if (const auto* revoked = std::get_if<RevokedStatus>(&single().status)) {
      const bool on_hold = revoked->reason == RevocationReason::certificate_hold;
      return refuse(Reason::status_revoked,
                    fmt::format("OCSP: {} {}", on_hold ? "on hold at" : "revoked", to_iso8601(revoked->at)));
    }
    if (std::holds_alternative<UnknownStatus>(single().status)) {
      return refuse(Reason::status_unknown, "OCSP: the responder does not know the certificate");
    }
    return {};
  }

  const OcspResponse& response_;
  const OcspExpectation& expected_;
  const TimeRule& time_;
};

Verdict<GoodAnswer> check_ocsp_response(const OcspResponse& response, const OcspExpectation& expected,
                                        const TimeRule& time) {
  return OcspCheck(response, expected, time).run();
}

}  // namespace sallyport::pki
