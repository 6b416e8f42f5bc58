// AlgorithmIdentifier of the signatures that we make and accept (RFC 5758, RFC 8410, RFC 4055).
#pragma once

#include "codec/der.h"
#include "crypto/key.h"

namespace sallyport::pki::detail {

// `element` is the whole SEQUENCE. Errc::unauthorized names an algorithm that is not accepted; Errc::malformed: its
// parameters are not exactly those of the standard.
Result<crypto::SignatureScheme> parse_signature_algorithm(ByteView element);
Bytes encode_signature_algorithm(crypto::SignatureScheme scheme);

// Signed := SEQUENCE { tbs, algorithm, BIT STRING }, the shape of certificates, CRLs, requests and OCSP answers.
struct SignedParts {
  codec::der::Element tbs;  // borrows
  ByteView algorithm;       // borrows
  crypto::SignatureScheme scheme{};
  ByteView signature;  // borrows
};
// Reads the three parts; the reader is left after them.
Result<SignedParts> read_signed_parts(codec::der::Reader& reader);
Bytes encode_signed(ByteView tbs, crypto::SignatureScheme scheme, ByteView signature);

// The key in a whole SubjectPublicKeyInfo element, and the bits in it. Errc::malformed: not that structure, or not in
// the one form that we would write; Errc::unauthorized: a key that is never accepted. `known`, when it has the same
// bytes, saves the parsing.
struct SubjectPublicKey {
  crypto::PublicKey key;
  ByteView bits;  // borrows from the element
};
Result<SubjectPublicKey> parse_subject_public_key(ByteView element, const crypto::PublicKey* known = nullptr);
// The bits of subjectPublicKey in an SPKI that was accepted. Borrows.
ByteView public_key_bits(const crypto::PublicKey& key);

}  // namespace sallyport::pki::detail
