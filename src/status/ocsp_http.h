// OCSP and lists as HTTP carries them (RFC 6960 appendix A, RFC 5019 §5 and §6), the same at a status host and at an
// edge.
#pragma once

#include "http/message.h"
#include "status/crl_shelf.h"
#include "status/responder.h"

namespace sallyport::status {

// What a POST carries; absent when it is of another type than application/ocsp-request.
std::optional<ByteView> posted_question(const http::Request& request);
// The answer to such a one.
http::Response wrong_type();
// What a GET's path carries, in base64; empty when it is no base64. `request` matched "/ocsp/{request...}".
Bytes question_in_path(const http::Request& request);

// An answer with how long intermediaries may keep it: no longer than to its end, 5 minutes at most, never a refusal.
http::Response to_http(const Answer& answer, UnixTime now);
// A CRL that has ended is still handed out: whoever checks refuses it, and knows why.
http::Response to_http(const ServedCrl& list, UnixTime now);
http::Response root_crl_to_http(Bytes der);
http::Response certificate_to_http(Bytes der);

}  // namespace sallyport::status
