// The file of started calls: what is read is written again as it was, and a torn end is never read.
#include <cstdint>
#include <cstdlib>

#include "rpcnode/started_calls.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const auto read = rpcnode::parse_started_calls(bytes);
  if (!read) return 0;
  Bytes again;
  for (const auto& call : read->calls) append(again, rpcnode::encode_started_call(call));
  if (!equal(again, bytes.first(read->good))) std::abort();
  return 0;
}
