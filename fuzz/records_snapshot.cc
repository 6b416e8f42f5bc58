// Input: a first portion, then a portion after it, separated by the first 0xFFFF; both are put into an empty state.
// What parses is written again in the same bytes.
#include <algorithm>
#include <array>
#include <cstdint>

#include "records/snapshot.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  using namespace sallyport::records;
  const ByteView input(data, size);
  constexpr std::array<std::uint8_t, 2> kBetween = {0xFF, 0xFF};
  const auto between = std::ranges::search(input, kBetween);
  const auto first_size = static_cast<std::size_t>(between.begin() - input.begin());
  const ByteView first = input.first(first_size);
  auto update = parse_snapshot_update(first);
  if (!update) return 0;
  SALLYPORT_CHECK(equal(encode_snapshot_update(*update), first));
  const std::vector<SnapshotCa> cas = update->cas;
  SnapshotAssembly assembly(*std::move(update));
  if (!between.empty()) {
    auto portion = parse_snapshot_portion(input.subspan(first_size + kBetween.size()), cas);
    if (!portion) return 0;
    assembly.add(*portion);
  }
  SnapshotState state;
  static_cast<void>(state.apply(std::move(assembly)));
  return 0;
}
