#include "agent/status_interview.h"

#include "codec/text.h"

namespace sallyport::agent {
namespace {

using pki::Reason;

constexpr std::size_t kMaxSmallBody = 16U << 10U;
constexpr std::size_t kMaxKeyId = 32;

// A body of a GET that must be there. Errc::not_found for 404.
net::Task<Result<Bytes>> get(http::Client& client, std::string target, net::Deadline deadline, std::size_t limit) {
  http::Request request;
  request.target = target;
  CO_TRY(auto response, co_await client.send(std::move(request), deadline, limit));
  if (response.status == 200) co_return std::move(response.body);
  const Errc code = response.status == 404 ? Errc::not_found : Errc::unavailable;
  co_return failf(code, "status: {} answered {}, want 200", target, response.status);
}

}  // namespace

InterviewOutcome unreachable(const Error& error) {
  return {.verdict = std::unexpected(pki::Refusal{.reason = Reason::responder_error,
                                                  .error = {.code = Errc::unavailable, .detail = error.detail}})};
}

net::Task<Result<void>> Interview::collect(const StatusQuestion& question, StatusEvidence& evidence) {
  Bytes request = encode_subject_request(question);
  CO_TRY(evidence.subject_answer, co_await http::post_ocsp(client_, "/ocsp", std::move(request), deadline_));
  if (question.is_control()) co_return Result<void>{};
  if (evidence.control_ca.empty()) {
    CO_TRY(evidence.control_ca, co_await get(client_, "/crl/control-ca.cer", deadline_, kMaxSmallBody));
    CO_TRY(const Bytes witness, co_await get(client_, "/crl/witness", deadline_, kMaxSmallBody));
    evidence.witness = std::string(as_text(witness));
    while (evidence.witness.ends_with('\n')) evidence.witness.pop_back();
  }
  CO_TRY(request, encode_witness_request(question, evidence.control_ca, evidence.witness));
  CO_TRY(evidence.witness_answer, co_await http::post_ocsp(client_, "/ocsp", std::move(request), deadline_));
  co_return Result<void>{};
}

// What cannot be had is missing, which the judgement tells.
net::Task<void> Interview::fetch_crls(std::vector<pki::Certificate> roots, StatusEvidence& evidence) {
  for (const pki::Certificate& root : roots) {
    const std::string key_id = codec::encode_hex(root.extensions().subject_key_id.value_or(Bytes()));
    const auto der = co_await get(client_, fmt::format("/crl/root-{}.crl", key_id), deadline_, kMaxRootCrl);
    if (!der) continue;
    if (auto crl = pki::parse_crl(*der)) evidence.root_crls.insert(evidence.root_crls.begin(), *std::move(crl));
  }
}

net::Task<InterviewOutcome> Interview::judge(const StatusQuestion& question, StatusEvidence& evidence) {
  if (auto asked = co_await collect(question, evidence); !asked) co_return unreachable(asked.error());
  InterviewOutcome out{.verdict = judge_status(question, evidence), .reached = true};
  if (!out.verdict && wants_newer_crl(out.verdict.error().reason)) {
    co_await fetch_crls(question.anchors, evidence);
    out.verdict = judge_status(question, evidence);
  }
  co_return out;
}

net::Task<pki::Verdict<pki::Certificate>> Interview::fetch_issuer(std::string ca, pki::Certificate leaf) {
  const auto& key_id = leaf.extensions().authority_key_id;
  if (!key_id || key_id->size() > kMaxKeyId)
    co_return pki::refuse(Reason::no_anchor, "certificate: names no key of its issuer");
  const auto der =
      co_await get(client_, fmt::format("/crl/{}-{}.cer", ca, codec::encode_hex(*key_id)), deadline_, kMaxSmallBody);
  if (!der && der.error().code == Errc::not_found)
    co_return pki::refuse(Reason::no_anchor, fmt::format("certificate: issued by no {} of this installation", ca));
  if (!der) co_return std::unexpected(unreachable(der.error()).verdict.error());
  auto issuer = pki::parse_certificate(*der);
  if (!issuer) co_return pki::refuse(Reason::malformed, ca + ": " + issuer.error().detail);
  co_return *std::move(issuer);
}

}  // namespace sallyport::agent
