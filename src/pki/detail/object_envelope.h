// The bytes of a signed object, whoever signs it (pki/signed_object.h, pki/root_order.h).
//
//   1 certificate, repeated   2 payload   3 signature over codec::signing_input(domain, payload)
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "pki/certificate.h"

namespace sallyport::pki::detail {

// What an envelope says; nothing of it is proven.
struct Envelope {
  std::vector<Bytes> certificates;  // may be none
  ByteView payload;                 // borrows
  ByteView signature;
};

struct EnvelopeLimits {
  std::string_view where;  // what errors call it
  std::size_t bytes = 0;
  std::size_t certificates = 0;
};

Result<Envelope> read_envelope(ByteView sealed, const EnvelopeLimits& limits);
Bytes write_envelope(std::span<const Certificate> chain, ByteView payload, ByteView signature);

}  // namespace sallyport::pki::detail
