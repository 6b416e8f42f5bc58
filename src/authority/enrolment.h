// First connection, renewal, web certificates, claim codes: what devices ask through the gateway (DESIGN §9).
#pragma once

#include "authority/core.h"
#include "net/task.h"
#include "records/role_messages.h"

namespace sallyport::authority {

// Exchanges a factory certificate for an operational one. Idempotent per (factory certificate, new key): a lost answer
// is answered again with the same certificate. Errc::not_yet while the device is in no accepted ledger; Errc::conflict,
// audited and counted as an alarm, for another key; Errc::overloaded when the site's activation quota is used up;
// Errc::unauthorized for everything that does not verify or a device that is suspended, revoked or retired.
net::Task<Result<records::CertificateChain>> enrol(Core& core, records::EnrolRequest request);

// Issues a new operational certificate to a device that shows its present one, idempotent per new key.
net::Task<Result<records::CertificateChain>> renew(Core& core, records::RenewRequest request);

// Issues the device's web certificate (<name>.<zone> and *.<name>.<zone>), idempotent per key, which must not be the
// key of an operational certificate.
net::Task<Result<records::CertificateChain>> issue_web_certificate(Core& core, records::RenewRequest request);

// The device has shown `used` and proven its key over a connection: it has stored it, since it stores a certificate
// durably before it uses one. What it had before is revoked as superseded (DESIGN §9, two-slot rotation). Until then
// both are good, so that a power cut between the two locks nobody out. Nothing happens for a certificate that is
// unknown, not operational or revoked. Errc::not_found for another CA than online-ca.
net::Task<Result<void>> supersede_older(Core& core, records::FindCertificate used);

// Adds the proof that the leaf is logged to an answer for a device, waiting for the checkpoint that it leads to. Where
// there is none in time the chain goes as it is: a log that cannot be signed must not strand devices (ADR 0008).
net::Task<records::CertificateChain> with_log_proof(Core& core, records::CertificateChain chain);

// Remembers the hash of the claim code that an unclaimed device shows. Errc::conflict once the device is claimed.
net::Task<Result<void>> remember_claim_hash(Core& core, records::ClaimHash claim);

}  // namespace sallyport::authority
