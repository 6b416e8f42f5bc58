// Proofs that are carried.
#include "tlog/proof.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = as_text(ByteView(data, size));
  const auto proof = tlog::parse_log_proof(input);
  if (proof) SALLYPORT_CHECK(tlog::encode_log_proof(*proof) == input);
  return 0;
}
