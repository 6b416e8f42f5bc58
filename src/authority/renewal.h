// Further certificates of a device that has one, asked for through the gateway (docs/protocol/enrolment.md).
#pragma once

#include "authority/core.h"
#include "net/task.h"
#include "records/role_messages.h"

namespace sallyport::authority {

// Issues a new operational certificate to a device that shows its present one, idempotent per new key. It may have
// expired, for as long as the policy says, when it is recorded, unrevoked, and its device connected or claimed.
net::Task<Result<records::CertificateChain>> renew(Core& core, records::RenewRequest request);

// Issues the device's web certificate (<name>.<zone> and *.<name>.<zone>), idempotent per key, which must not be the
// key of an operational certificate.
net::Task<Result<records::CertificateChain>> issue_web_certificate(Core& core, records::RenewRequest request);

// The device has shown `used` and proven its key over a connection: it has stored it, since it stores a certificate
// durably before it uses one. What it had before is revoked as superseded (docs/protocol/enrolment.md §8). Until then
// both are good, so that a power cut between the two locks nobody out. Nothing happens for a certificate that is
// unknown, not operational or revoked. Errc::not_found for another CA than online-ca.
net::Task<Result<void>> supersede_older(Core& core, records::FindCertificate used);

}  // namespace sallyport::authority
