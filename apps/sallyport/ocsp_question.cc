#include "ocsp_question.h"

#include <algorithm>

#include "crypto/hash.h"
#include "http/client.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/run.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::uint16_t kHttpPort = 80;

net::Task<Result<Bytes>> exchange(net::Address address, std::string host, std::string target, Bytes request) {
  const net::Deadline deadline(kOcspLimit);
  CO_TRY(auto stream, co_await net::connect_tcp(std::move(address), deadline));
  http::Client client(std::move(stream), std::move(host));
  co_return co_await http::post_ocsp(client, std::move(target), std::move(request), deadline);
}

// A host that may have a port behind it.
Result<net::Address> parse_authority(std::string_view text) {
  const bool has_port = text.find(':', text.starts_with('[') ? text.find(']') : 0) != std::string_view::npos;
  return net::parse_address(has_port ? std::string(text) : fmt::format("{}:{}", text, kHttpPort));
}

bool says_it_cannot(const pki::OcspResponse& response) {
  return response.status == pki::OcspResponseStatus::try_later ||
         response.status == pki::OcspResponseStatus::internal_error;
}

OcspVerdict verdict_of(pki::Reason reason, const pki::OcspResponse& response) {
  if (reason == pki::Reason::status_revoked) return OcspVerdict::revoked;
  if (reason == pki::Reason::status_unknown) return OcspVerdict::unknown;
  return says_it_cannot(response) ? OcspVerdict::no_answer : OcspVerdict::refused;
}

// The signer of an answer that the check has found proven.
std::optional<pki::Certificate> signer_of(const pki::OcspResponse& response, const pki::Certificate& issuer) {
  const auto is_responder = [&](const pki::Certificate& certificate) {
    if (response.responder_key_hash.empty()) return equal(response.responder_name, certificate.subject().der());
    return equal(response.responder_key_hash, crypto::sha1(certificate.public_key_bits()));
  };
  const auto found = std::ranges::find_if(response.certificates, is_responder);
  if (found != response.certificates.end()) return *found;
  return is_responder(issuer) ? std::optional(issuer) : std::nullopt;
}

}  // namespace

Result<ResponderUrl> parse_responder_url(std::string_view text) {
  const auto wrong = [&] {
    return failf(Errc::malformed, "responder: found '{}', want http://HOST, http://HOST:PORT or either with a path",
                 text);
  };
  if (!text.starts_with(kScheme)) return wrong();
  const std::string_view rest = text.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const auto address = parse_authority(rest.substr(0, slash));
  const std::string_view target = rest.substr(slash);
  const bool is_clean = std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
  if (!address || address->port == 0 || !is_clean) return wrong();
  return ResponderUrl{.text = std::string(text),
                      .address = *address,
                      .host = std::string(rest.substr(0, slash)),
                      .target = target.empty() ? "/" : std::string(target)};
}

Result<OcspExchange> ask_responder(const OcspQuestion& question, const Clock& clock) {
  const pki::OcspRequest request{{pki::make_cert_id(question.hash, question.issuer, question.serial)}, question.nonce};
  const net::Address address = question.connect_to.value_or(question.url.address);
  net::Io io;
  const Instant begun = clock.monotonic();
  auto answer =
      net::run(io, exchange(address, question.url.host, question.url.target, pki::encode_ocsp_request(request)));
  if (!answer) return fail(Errc::internal, "responder: ended without an answer");
  if (!*answer) return std::unexpected(std::move(*answer).error().at(question.url.text));
  const auto took = std::chrono::duration_cast<milliseconds>(clock.monotonic() - begun);
  return OcspExchange{.answer = **std::move(answer), .took = took};
}

std::string_view to_string(OcspVerdict verdict) {
  switch (verdict) {
    case OcspVerdict::good:
      return "good";
    case OcspVerdict::revoked:
      return "revoked";
    case OcspVerdict::unknown:
      return "unknown";
    case OcspVerdict::no_answer:
      return "no-answer";
    case OcspVerdict::refused:
      return "refused";
  }
  return "refused";
}

const pki::SingleResponse* OcspJudgement::proven() const {
  return signer && response ? &response->answer.responses.front() : nullptr;
}

OcspJudgement judge_answer(const OcspQuestion& question, ByteView answer, UnixTime now) {
  OcspJudgement out;
  auto parsed = pki::parse_ocsp_response(answer);
  if (!parsed) {
    out.reason = pki::Reason::malformed;
    out.detail = std::move(parsed).error().detail;
    return out;
  }
  pki::OcspExpectation expected{.issuer = question.issuer, .serial = question.serial, .nonce = question.nonce};
  expected.foreign = question.foreign;
  if (question.foreign) expected.oldest = kForeignAnswerLife;
  const auto checked = pki::check_ocsp_response(*parsed, expected, pki::TimeRule::clock(now));
  if (checked) {
    out.verdict = OcspVerdict::good;
    out.signer = checked->signer();
  } else {
    out.verdict = verdict_of(checked.error().reason, *parsed);
    out.reason = checked.error().reason;
    out.detail = checked.error().error.detail;
    const bool is_proven = out.verdict == OcspVerdict::revoked || out.verdict == OcspVerdict::unknown;
    if (is_proven) out.signer = signer_of(*parsed, question.issuer);
  }
  out.response = *std::move(parsed);
  return out;
}

}  // namespace sallyport::cli
