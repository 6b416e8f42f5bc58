// Notes and checkpoints: what parses has one spelling, and no signature is taken for granted.
#include "tlog/checkpoint.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = as_text(ByteView(data, size));
  const auto note = tlog::parse_note(input);
  if (note) SALLYPORT_CHECK(*tlog::parse_note(tlog::encode_note(*note)) == *note);
  const auto checkpoint = tlog::parse_checkpoint(input);
  if (checkpoint) SALLYPORT_CHECK(tlog::encode_checkpoint(*checkpoint) == input);
  const auto key = tlog::NoteKey::parse(input);
  if (key) SALLYPORT_CHECK(key->to_text() == input);
  return 0;
}
