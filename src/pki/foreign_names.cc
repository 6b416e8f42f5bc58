#include "pki/foreign_names.h"

namespace sallyport::pki {

using codec::der::Reader;
using codec::der::Tag;

// Certificate    ::= SEQUENCE { tbsCertificate TBSCertificate, … }
// TBSCertificate ::= SEQUENCE { version [0] EXPLICIT Version DEFAULT v1, serialNumber INTEGER,
//                               signature AlgorithmIdentifier, issuer Name, validity Validity, subject Name, … }
Result<ForeignNames> parse_foreign_names(ByteView der) {
  TRY(Reader certificate, codec::der::enter_only(der, Tag::sequence, "certificate"));
  TRY(Reader fields, certificate.sequence());
  TRY_VOID(fields.optional(codec::der::context_constructed(0)));
  TRY_VOID(fields.element(Tag::integer));
  TRY_VOID(fields.element(Tag::sequence));
  TRY(const auto issuer, fields.element(Tag::sequence));
  TRY_VOID(fields.element(Tag::sequence));
  TRY(const auto subject, fields.element(Tag::sequence));
  ForeignNames out;
  TRY(out.issuer, DistinguishedName::parse(issuer.whole));
  TRY(out.subject, DistinguishedName::parse(subject.whole));
  return out;
}

}  // namespace sallyport::pki
