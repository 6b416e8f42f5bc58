// What goes into the transparency log, and when: in the transaction that stores it (ADR 0008).
#pragma once

#include "base/time.h"
#include "pki/certificate.h"
#include "records/database.h"

namespace sallyport::authority {

// Completes an intent with its certificate and logs it. Nobody else may call CertificateStore::record_issued. Errors as
// there.
Result<void> record_issued(records::Records& records, const records::CaName& ca,
                           const records::CertificateSerial& serial, ByteView der, UnixTime now);
// Records the certificate of a CA that the root has signed, unless it is recorded already, and logs it.
Result<void> record_ca(records::Records& records, const records::CaName& ca, const pki::Certificate& certificate,
                       UnixTime now);
// Logs an event of the audit log, and whatever of it was there before there was a log.
Result<void> log_audit_event(records::Records& records, const records::AuditEntry& event);
// Logs how far the ledger of a site was accepted.
Result<void> log_ledger_head(records::Records& records, const records::SiteRecord& site, UnixTime now);

// Logs what is recorded and not logged: certificates and ledger heads of an installation that had no log. At most
// `limit` of them; returns whether that was all.
Result<bool> log_what_was_before(records::Records& records, UnixTime now, std::size_t limit);

}  // namespace sallyport::authority
