// Does this certificate still deserve trust? The decision, without I/O: what must be asked, and what the
// answers prove. Whatever is missing, malformed, old or foreign is a refusal.
#pragma once

#include <optional>
#include <string_view>

#include "agent/state.h"
#include "pki/ocsp.h"
#include "pki/verify.h"

namespace sallyport::agent {

// What is asked about, and by whom. A fresh nonce for every round.
struct StatusQuestion {
  pki::VerifiedChain subject;  // a server's, or a control certificate's: chain and name are verified
  pki::TimeRule time;
  Bytes nonce;  // pki::kOcspNonceSize bytes
  Ratchets ratchets;
  std::vector<pki::Certificate> anchors = {};  // the roots that are trusted; empty: the subject's own

  // Whether the subject's own CA is control-ca, whose answer then tells the root CRL's number too.
  bool is_control() const { return std::holds_alternative<pki::ControlKind>(subject.identity()); }
};

// What came back; nothing in it is believed yet.
struct StatusEvidence {
  Bytes subject_answer;             // OCSP response about the subject
  Bytes control_ca;                 // certificate of control-ca, DER
  std::string witness;              // hexadecimal serial of a certificate of control-ca
  Bytes witness_answer;             // OCSP response about it
  std::vector<pki::Crl> root_crls;  // the newest that are at hand, of whatever roots
};

// What the evidence proved.
struct StatusFinding {
  UnixTime produced_at;
  std::vector<pki::VerifiedCrl> root_crls;    // of the subject's root, and of control-ca's where it is another
  Ratchets seen;                              // to be remembered: AgentState::raise_ratchets
  std::vector<crypto::Sha256Digest> signers;  // SHA-256 of the SubjectPublicKeyInfo of every delegate that spoke
  // The CA and serial that were found good besides the subject: the witness.
  Bytes witness_issuer_key;
  pki::SerialNumber witness;
};

// The DER OCSP request about the subject.
Bytes encode_subject_request(const StatusQuestion& question);
// The one about the witness. Errc::malformed when control-ca's certificate or the serial does not parse.
Result<Bytes> encode_witness_request(const StatusQuestion& question, ByteView control_ca, std::string_view witness);

// Accepts only when all of this holds: server-ca's delegate says "good" of the subject, control-ca's delegate says
// "good" of the witness and names the newest root CRL, both under our nonce and by signers no older than those seen
// before; for the subject's root, and for control-ca's where that is another, the CRL at hand is that root's, in date,
// of a number neither below the highest seen nor below the one named; neither the subject's path nor control-ca is
// listed; and everything was valid at that time.
pki::Verdict<StatusFinding> judge_status(const StatusQuestion& question, const StatusEvidence& evidence);

// What two findings about one subject, of two status hosts, are together (docs/operate/agent.md). Without a clock a
// nonce proves no more than that who has a delegate's key answered now: an old key that leaked answers as well, and
// tells the time of its own days.
enum class Agreement : std::uint8_t {
  agree,
  same_signer,  // a delegate spoke at both: one key is one witness
  apart,        // they tell times more than kWitnessAgreement apart
};
inline constexpr seconds kWitnessAgreement{600};
Agreement compare_witnesses(const StatusFinding& first, const StatusFinding& second);

// Whether a newer root CRL could change the verdict.
bool wants_newer_crl(pki::Reason reason);
// Whether the verdict is a proven one, which asking again elsewhere cannot change.
bool is_final(pki::Reason reason);

}  // namespace sallyport::agent
