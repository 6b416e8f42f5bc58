// Parses any input as a SubjectPublicKeyInfo, and verifies with what is accepted.

#include <cstdlib>

#include "crypto/key.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView spki(data, size);
  const auto key = crypto::PublicKey::from_spki(spki);
  if (!key) return 0;
  if (!equal(key->spki(), spki)) std::abort();
  // The input itself is the signature: bytes that nobody signed with this key.
  if (key->verify(crypto::default_scheme(key->type()), as_bytes("message"), spki)) std::abort();
  return 0;
}
