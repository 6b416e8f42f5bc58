// Nothing opens without an anchor.
#include "pki/signed_object.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::pki;
  const auto opened = open_object(ControlKind::grant, {data, size}, {}, TimeRule::floor(sallyport::UnixTime(0)));
  SALLYPORT_CHECK(!opened);
  return 0;
}
