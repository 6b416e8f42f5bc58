// Paths of tiles and bundles of entries. The first byte of a bundle says how many entries are wanted.
#include "tlog/tile.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto tile = tlog::parse_tile_path(as_text(input));
  if (tile) SALLYPORT_CHECK(tlog::tile_path(*tile) == as_text(input));
  if (input.empty()) return 0;
  const auto bundle = tlog::parse_bundle(input.subspan(1), input.front());
  if (!bundle) return 0;
  std::vector<Bytes> entries;
  for (const ByteView entry : *bundle) entries.push_back(to_bytes(entry));
  SALLYPORT_CHECK(equal(tlog::encode_bundle(entries), input.subspan(1)));
  return 0;
}
