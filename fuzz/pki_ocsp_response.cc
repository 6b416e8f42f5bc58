// No answer that a fuzzer finds is good for a CA whose key it does not have.
#include "pki/ocsp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::pki;
  const auto response = parse_ocsp_response({data, size});
  if (!response || response->certificates.empty()) return 0;
  const Certificate& stranger = response->certificates.front();
  const OcspExpectation expected{.issuer = stranger,
                                 .serial = stranger.serial(),
                                 .nonce = response->answer.nonce,
                                 .signer_not_before_at_least = sallyport::UnixTime(0),
                                 .known_delegate = std::nullopt};
  SALLYPORT_CHECK(!check_ocsp_response(*response, expected, TimeRule::clock(response->answer.produced_at)));
  return 0;
}
