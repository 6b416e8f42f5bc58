// Issuing: store intent → sign → store result → publish → hand out (ARCHITECTURE.md, Life of a certificate).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "authority/core.h"
#include "net/task.h"
#include "pki/certificate.h"
#include "pki/csr.h"
#include "pki/profile.h"
#include "records/database.h"

namespace sallyport::authority {

// What is to be issued.
struct IssueOrder {
  records::CaName ca;  // an older one issues its OCSP signers alone
  pki::ProfileId profile{};
  records::CertificateKind kind{};
  std::string subject;      // as CertificateRecord::subject
  std::string common_name;  // for display
  std::vector<std::string> dns_names;
  crypto::PublicKey public_key;
  seconds lifetime{};
  // Further changes in the transaction that takes the serial; an error refuses the whole order. May be empty, and may
  // be run more than once, as of RecordDatabase::write_repeatable().
  records::RecordDatabase::Work with_intent;
  // Further changes in the transaction that stores the certificate. May be empty, and may be run more than once.
  records::RecordDatabase::Work with_result;
};

// The lifetimes that the authority asks for; profiles cap them.
inline constexpr seconds kOperationalLifetime = 90 * kDay;
inline constexpr seconds kWebLifetime = 90 * kDay;
inline constexpr seconds kServerLifetime = 30 * kDay;
inline constexpr seconds kForeignServerLifetime = 90 * kDay;  // of a server that no role is, renewed by a person
inline constexpr seconds kPersonLifetime{12 * 3'600};         // a working day: nodes ask nobody whether it was revoked
inline constexpr seconds kOcspSignerLifetime = 25 * kDay;

// Issues one certificate. When this returns it is recorded and every role that may admit sessions works from a snapshot
// that has it, so it may be handed out at once. Errc::unavailable while the clock is behind what was recorded before
// (issuance_clock.h). A crash in between leaves an intent, which void_unfinished_intents()
// closes.
net::Task<Result<pki::Certificate>> issue_certificate(Core& core, IssueOrder order);

// Marks what an earlier run left unfinished: such a certificate was never handed out, and its serial is never used
// again.
net::Task<Result<void>> void_unfinished_intents(Core& core);

// pki::parse_csr on a thread of its own: the proof of possession costs as much as the rest of an order, and nobody else
// need wait for it.
net::Task<Result<pki::CertificateRequest>> check_request(Bytes csr);

records::CertificateSerial to_record_serial(const pki::SerialNumber& serial);

}  // namespace sallyport::authority
