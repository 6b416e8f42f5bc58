// Reads any input as fields, each in every way; what is accepted must be written again as the same bytes.

#include <cstdlib>

#include "codec/tlv.h"

using namespace sallyport;
using codec::TlvReader;
using codec::TlvWriter;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_values(std::uint16_t tag, ByteView field) {
  const auto reader = [&] { return TlvReader(field, "fuzz"); };
  const auto same = [&](TlvWriter& writer) { require(equal(std::move(writer).take(), field)); };
  TlvWriter writer[6];
  if (const auto value = reader().u8(tag)) same(writer[0].u8(tag, *value));
  if (const auto value = reader().u32(tag)) same(writer[1].u32(tag, *value));
  if (const auto value = reader().u64(tag)) same(writer[2].u64(tag, *value));
  if (const auto value = reader().time(tag)) same(writer[3].time(tag, *value));
  if (const auto value = reader().flag(tag)) same(writer[4].flag(tag, *value));
  if (const auto value = reader().text(tag)) same(writer[5].text(tag, *value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  TlvReader reader(input, "fuzz");
  TlvWriter rewritten;
  unsigned last = 0;
  std::size_t position = 0;
  while (size - position >= 2) {
    const auto tag = static_cast<std::uint16_t>(data[position] << 8U | data[position + 1]);
    const auto values = reader.repeated(tag, size);
    if (!values || tag < last) return 0;
    last = tag;
    for (const ByteView value : *values) {
      rewritten.bytes(tag, value);
      constexpr std::size_t kHead = 5;
      check_values(tag, input.subspan(position, kHead + value.size()));
      position += kHead + value.size();
    }
  }
  require(reader.finish().has_value() == (position == size));
  require(equal(std::move(rewritten).take(), input.first(position)));
  return 0;
}
