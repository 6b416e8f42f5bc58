// The questions of a status check, put to one responder over one connection.
#pragma once

#include <string>
#include <vector>

#include "agent/status_check.h"
#include "http/client.h"

namespace sallyport::agent {

inline constexpr std::size_t kMaxRootCrl = 4U << 20U;

// What came of an interview. `reached` is whether the responder answered everything it was asked.
struct InterviewOutcome {
  pki::Verdict<StatusFinding> verdict;
  bool reached = false;
};
// The outcome where nobody answered as a responder does.
InterviewOutcome unreachable(const Error& error);

// One thread. Borrows the client for its lifetime.
class Interview {
 public:
  Interview(http::Client& client, net::Deadline deadline) : client_(client), deadline_(deadline) {}

  // Asks about the subject and, unless it is control-ca's, about control-ca's witness; judges by judge_status(), and a
  // second time with the newest root CRLs where those in `evidence` do not do. `evidence` holds what was known before
  // and afterwards what was learned. Both are borrowed for the call.
  net::Task<InterviewOutcome> judge(const StatusQuestion& question, StatusEvidence& evidence);
  // The certificate of the CA of that name ("online-ca") whose key `leaf` names as its issuer's. Nothing about it is
  // proven. Reason no_anchor: there is none of that key.
  net::Task<pki::Verdict<pki::Certificate>> fetch_issuer(std::string ca, pki::Certificate leaf);

 private:
  net::Task<Result<void>> collect(const StatusQuestion& question, StatusEvidence& evidence);
  net::Task<void> fetch_crls(std::vector<pki::Certificate> roots, StatusEvidence& evidence);

  http::Client& client_;
  net::Deadline deadline_;
};

}  // namespace sallyport::agent
