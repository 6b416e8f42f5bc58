// First connection and claim codes: what devices ask through the gateway (docs/protocol/enrolment.md).
#pragma once

#include "authority/core.h"
#include "net/task.h"
#include "records/role_messages.h"

namespace sallyport::authority {

// Exchanges a factory certificate for an operational one. Idempotent per (factory certificate, new key): a lost answer
// is answered again with the same certificate. Errc::not_yet while the device is in no accepted ledger; Errc::conflict,
// audited and counted as an alarm, for another key; Errc::overloaded when the site's activation quota is used up;
// Errc::unauthorized for everything that does not verify or a device that is suspended, revoked or retired.
//
// Who fails again and again is left unanswered for a while (FailurePause): no certificates and how long. Never the
// device itself, which asks for the key that it enrolled with: a copied factory key does not slow it.
net::Task<Result<records::CertificateChain>> enrol(Core& core, records::EnrolRequest request);

// Adds the proof that the leaf is logged to an answer for a device, waiting for the checkpoint that it leads to. Where
// there is none in time the chain goes as it is: a log that cannot be signed must not strand devices (ADR 0008).
net::Task<records::CertificateChain> with_log_proof(Core& core, records::CertificateChain chain);

// Remembers the hash of the claim code that an unclaimed device shows. Errc::conflict once the device is claimed;
// Errc::expired for a code that claimed it before.
net::Task<Result<void>> remember_claim_hash(Core& core, records::ClaimHash claim);

}  // namespace sallyport::authority
