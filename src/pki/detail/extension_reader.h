// Extensions of certificates: bytes → values.
#pragma once

#include "pki/extensions.h"

namespace sallyport::pki::detail {

// Reads the content of an Extensions SEQUENCE. `subject_is_empty` makes the alternative name's criticality mandatory
// (RFC 5280 §4.2.1.6). Errc::malformed on none, a duplicate, a wrong criticality, anything that a value's format does
// not allow.
Result<Extensions> parse_extensions(codec::der::Reader reader, bool subject_is_empty);

// Reads the DNS names of a subjectAltName in an Extensions SEQUENCE that somebody asks for; other extensions are
// skipped.
Result<std::vector<std::string>> parse_requested_dns_names(codec::der::Reader extensions);

// One Extension: SEQUENCE { extnID, critical DEFAULT FALSE, extnValue OCTET STRING }.
struct RawExtension {
  Oid oid;
  bool critical = false;
  ByteView value;  // borrows
};
Result<RawExtension> read_extension(codec::der::Reader& reader);
Bytes encode_extension(const Oid& oid, bool critical, ByteView value);

}  // namespace sallyport::pki::detail
