// Frames of EVA ICS v3: the input is taken as a frame, as what a key holder seals into one, and as the answer to a
// call. What is not sealed never opens; what opens must survive being sealed and opened again.

#include <cstdlib>

#include "codec/msgpack.h"
#include "sealed/eva_text.h"

using namespace sallyport;
using namespace sallyport::sealed::eva;

namespace {

constexpr UnixTime kNow{1'600'000'000};
constexpr crypto::CbcIv kIv{};

const Key& fuzz_key() {
  static const Key key = Key::from(parse_key_id("default").value(), "my-eva-api-key").value();
  return key;
}

void want(bool holds) {
  if (!holds) std::abort();
}

void read_body(const codec::Json& body) {
  if (const auto list = parse_calls(body)) {
    want(!list->calls.empty() && list->calls.size() <= kMostCalls);
    const Body again = Body::of_call(list->calls[0], fuzz_key().expose());
    const auto from_text = codec::parse_json(again.to_json(), {.size = std::size_t{16} << 20U, .values = 1U << 20U});
    const auto packed = codec::parse_msgpack(again.to_msgpack(), {.size = std::size_t{16} << 20U, .values = 1U << 20U});
    want(packed && from_text && *packed == *from_text && parse_calls(*packed));
  }
  if (const auto answer = parse_answer(body)) {
    const Body again = Body::of_answers({*answer}, false);
    const auto packed = codec::parse_msgpack(again.to_msgpack(), {.size = std::size_t{16} << 20U, .values = 1U << 20U});
    want(packed && parse_answer(*packed)->outcome == answer->outcome);
  }
}

void read_raw(ByteView input) {
  if (const auto request = parse_binary_request(input)) {
    if (const auto opened = open_binary_request(*request, fuzz_key(), {})) read_body(opened->body);
  }
  if (const auto request = parse_text_request(as_text(input))) {
    if (const auto opened = open_text_request(*request, fuzz_key(), kNow, {})) read_body(opened->body);
  }
  for (const Packing packing : {Packing::plain, Packing::zlib}) {
    if (const auto body = open_binary_response(input, fuzz_key(), packing, {})) read_body(*body);
  }
  if (const auto body = open_text_response(as_text(input), fuzz_key(), kNow, {})) read_body(*body);
}

void read_sealed(ByteView input) {
  for (const std::uint8_t packing : {std::uint8_t{2}, std::uint8_t{3}}) {
    const Bytes block = crypto::cbc_seal(fuzz_key().binary(), {}, kIv, input);
    const Bytes frame = Writer().u8(0).u8(packing).text("default").u8(0).bytes(block).take();
    if (const auto request = parse_binary_request(frame)) {
      if (const auto opened = open_binary_request(*request, fuzz_key(), {})) read_body(opened->body);
    }
    const Bytes answer = Writer().u8(0).u8(0xC8).bytes(block).take();
    if (const auto body = open_binary_response(answer, fuzz_key(), static_cast<Packing>(packing), {})) read_body(*body);
  }
  const std::string token = seal_token(fuzz_key().fernet(), kNow, kIv, input);
  const std::string frame = "|default|" + token;
  const auto request = parse_text_request(frame);
  want(request.has_value());
  if (const auto opened = open_text_request(*request, fuzz_key(), kNow, {})) {
    want(parse_call_id(opened->call_id.get()).has_value());
    read_body(opened->body);
  }
  if (const auto body = open_text_response("200|" + token, fuzz_key(), kNow, {})) read_body(*body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 65'536) return 0;
  const ByteView input(data + 1, size - 1);
  if (data[0] == 'r') {
    read_raw(input);
  } else {
    read_sealed(input);
  }
  return 0;
}
