// What both handshakes seal, and what they lie in: a node parses the payload of INIT-CERT before it knows who sent it.
#include <cstdint>
#include <cstdlib>

#include "sealed/messages.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto init = sealed::parse_init(input)) {
    if (init->sealed.size() + 39 != size) std::abort();
  }
  if (const auto init = sealed::parse_init_cert(input)) {
    if (init->sealed.size() + 37 != size) std::abort();
  }
  if (const auto payload = sealed::parse_init_payload(input)) {
    if (!equal(sealed::encode_init_payload(payload->time, payload->body), input)) std::abort();
  }
  const auto payload = sealed::parse_certified_payload(input);
  if (!payload) return 0;
  const auto& [chain, signature, init] = *payload;
  if (!equal(sealed::encode_certified_payload(chain, signature, init.time, init.body), input)) std::abort();
  const auto certificates = sealed::split_chain(chain);
  if (!certificates) return 0;
  Bytes joined;
  for (const Bytes& certificate : *certificates) append(joined, certificate);
  if (!equal(joined, chain)) std::abort();
  return 0;
}
