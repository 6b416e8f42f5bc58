// What devices sent, as charts read it.
#pragma once

#include "codec/json.h"
#include "telemetry/sink.h"

namespace sallyport::gateway {

// `request` is {device, stream?, from?, since?, limit?}: of what was before `since` nothing is told, not even a stream.
// The answer has `streams`, `stream` and `items` as docs/api/openapi.yaml describes. Errc::malformed names the field
// that is wrong.
Result<codec::Json> read_telemetry(const telemetry::TelemetrySink& sink, const codec::Json& request);

}  // namespace sallyport::gateway
