// The demultiplexer, the plain request line and the preface: an answer never changes when more bytes come.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "tunnel/demux.h"
#include "tunnel/ticket.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto whole = tunnel::classify(input);
  if (size > 8 && whole == tunnel::FirstBytes::need_more) std::abort();
  for (std::size_t part = 0; part <= std::min<std::size_t>(size, 10); ++part) {
    const auto early = tunnel::classify(input.first(part));
    if (early != tunnel::FirstBytes::need_more && early != whole) std::abort();
  }
  const auto route = tunnel::find_plain_route(input);
  const auto half = tunnel::find_plain_route(input.first(size / 2));
  if (half && *half && (!route || *route != *half)) std::abort();
  if (auto ticket = tunnel::parse_preface(input); ticket && *ticket) {
    if (!equal(tunnel::encode_preface(**ticket), input.first(tunnel::kPrefaceSize))) std::abort();
    if (whole != tunnel::FirstBytes::data_preface) std::abort();
  }
  return 0;
}
