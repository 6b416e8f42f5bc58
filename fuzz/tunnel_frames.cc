// Frames: what parses is encoded to the same bytes, and the decoder finds in a stream what the parser finds in a frame.
#include <cstdint>
#include <cstdlib>

#include "tunnel/frames.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (auto frame = tunnel::parse_frame(input); frame && !equal(tunnel::encode_frame(*frame), input)) std::abort();
  tunnel::FrameDecoder whole;
  tunnel::FrameDecoder bytewise;
  whole.push(input);
  Bytes from_whole, from_bytewise;
  for (auto frame = whole.next(); frame && *frame; frame = whole.next())
    append(from_whole, tunnel::encode_frame(**frame));
  for (std::size_t i = 0; i < size; ++i) {
    bytewise.push(input.subspan(i, 1));
    for (auto frame = bytewise.next(); frame && *frame; frame = bytewise.next())
      append(from_bytewise, tunnel::encode_frame(**frame));
  }
  if (from_whole != from_bytewise || !equal(from_whole, input.first(from_whole.size()))) std::abort();
  return 0;
}
