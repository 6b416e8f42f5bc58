// What local programs hand to the agent: everything that is taken is fit for the queue.
#include <cstdint>

#include "agent/telemetry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto samples =
      agent::parse_telemetry_lines(as_text({data, size}), telemetry::SampleTime(seconds(1'780'315'200)));
  if (!samples) return 0;
  SALLYPORT_CHECK(!samples->empty() && samples->size() <= agent::kMaxLines);
  for (const auto& sample : *samples) SALLYPORT_CHECK(telemetry::check_sample(sample).has_value());
  return 0;
}
