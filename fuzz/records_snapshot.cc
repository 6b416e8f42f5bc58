// Parses a snapshot update and applies it to an empty state.
#include <cstdint>

#include "records/snapshot.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::records;
  auto update = parse_snapshot_update({data, size});
  if (!update) return 0;
  SnapshotState state;
  static_cast<void>(state.apply(*std::move(update)));
  return 0;
}
