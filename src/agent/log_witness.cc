#include "agent/log_witness.h"

#include <algorithm>

#include "base/log.h"
#include "codec/text.h"
#include "keystore/file.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kMaxKeyFile = 64U << 10U;
constexpr std::string_view kCheckpointFile = "log-checkpoint";

std::string proof_file(const std::string& slot) {
  return slot + ".tlog-proof";
}
std::string key_file(const std::string& slot) {
  return slot + ".log-key.pem";
}

Result<std::string> header_text(const http::Response& answer, std::string_view name) {
  const std::string_view encoded = answer.headers.get(name);
  if (encoded.empty()) return failf(Errc::not_found, "log: the answer had no {}", name);
  TRY(const Bytes bytes, codec::decode_base64(encoded));
  return std::string(as_text(bytes));
}

}  // namespace

Result<std::vector<pki::Certificate>> LogWitness::key_chain_of(const http::Response& answer,
                                                               std::span<const pki::Certificate> cas) const {
  TRY(const auto der, header_text(answer, "Sallyport-Log-Key"));
  TRY(auto key, pki::parse_certificate(as_bytes(der)));
  // By key: a CA that was replaced has the name of the one that replaced it.
  const auto issued_it = [&](const pki::Certificate& ca) {
    return ca.subject() == key.issuer() && ca.extensions().subject_key_id &&
           ca.extensions().subject_key_id == key.extensions().authority_key_id;
  };
  const auto found = std::ranges::find_if(cas, issued_it);
  if (found == cas.end())
    return fail(Errc::not_found, "log: the CA of its key is not among those that the gateway names");
  return std::vector{key, *found};
}

Result<tlog::ProvenCertificate> LogWitness::check(std::string_view proof, std::span<const pki::Certificate> key_chain,
                                                  const pki::Certificate& leaf, const pki::TimeRule& time) const {
  TRY(const auto verified,
      pki::verify_chain(key_chain, state_.anchors(), pki::ControlPurpose{pki::ControlKind::checkpoint}, time));
  TRY(const auto key,
      tlog::NoteKey::create(tlog::origin_of(state_.settings().zone.get()), verified.leaf().public_key()));
  TRY(const auto parsed, tlog::parse_log_proof(proof));
  return tlog::verify_log_proof(parsed, leaf.der(), key);
}

// A log only grows: one that is shorter than it was, or another of the same size, was set back or forked.
Result<void> LogWitness::remember(const tlog::Checkpoint& checkpoint, std::string_view note) {
  const auto stored = keystore::read_file(state_.file(kCheckpointFile), tlog::kMaxNoteBytes);
  if (stored) {
    TRY(const auto parsed, tlog::parse_note(as_text(*stored)));
    TRY(const auto before, tlog::parse_checkpoint(parsed.text));
    if (checkpoint.size < before.size) {
      return failf(Errc::conflict, "log: found {} entries, it had {} before", checkpoint.size, before.size);
    }
    if (checkpoint.size == before.size && checkpoint.root != before.root) {
      return failf(Errc::conflict, "log: found another log of {} entries than before", checkpoint.size);
    }
  }
  return keystore::atomic_write_file(state_.file(kCheckpointFile), as_bytes(note), keystore::kPublicMode);
}

void LogWitness::conclude(const std::string& slot, const Result<tlog::ProvenCertificate>& proven) {
  if (proven) {
    standings_[slot] = {true, fmt::format("entry {} of {}", proven->entry.index, proven->checkpoint.size)};
    return;
  }
  standings_[slot] = {false, proven.error().detail};
  log::warn("agent.log-not-proven", {{"certificate", slot}, {"error", proven.error()}});
}

void LogWitness::take(const std::string& slot, const http::Response& answer, const pki::Certificate& leaf,
                      std::span<const pki::Certificate> cas, const pki::TimeRule& time) {
  const auto judge = [&]() -> Result<tlog::ProvenCertificate> {
    TRY(const auto proof, header_text(answer, "Sallyport-Log-Proof"));
    TRY(const auto chain, key_chain_of(answer, cas));
    TRY(auto proven, check(proof, chain, leaf, time));
    TRY(const auto parsed, tlog::parse_log_proof(proof));
    TRY_VOID(remember(proven.checkpoint, parsed.checkpoint));
    TRY_VOID(keystore::atomic_write_file(state_.file(key_file(slot)), as_bytes(pki::encode_certificates_pem(chain)),
                                         keystore::kPublicMode));
    TRY_VOID(keystore::atomic_write_file(state_.file(proof_file(slot)), as_bytes(proof), keystore::kPublicMode));
    return proven;
  };
  conclude(slot, judge());
}

void LogWitness::load(const std::string& slot, const pki::Certificate& leaf, const pki::TimeRule& time) {
  const auto judge = [&]() -> Result<tlog::ProvenCertificate> {
    TRY(const auto proof, keystore::read_file(state_.file(proof_file(slot)), tlog::kMaxProofBytes));
    TRY(const auto pem, keystore::read_file(state_.file(key_file(slot)), kMaxKeyFile));
    TRY(const auto chain, pki::parse_certificates_pem(as_text(pem)));
    return check(as_text(proof), chain, leaf, time);
  };
  conclude(slot, judge());
}

}  // namespace sallyport::agent
