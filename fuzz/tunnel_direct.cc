// Input: what a user says first to a device that he reaches directly; its first octet is read as an answer too.
#include <algorithm>
#include <cstdint>

#include "tunnel/direct.h"
#include "tunnel/limits.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const ByteView bytes(data, size);
  if (size == 0) return 0;
  if (const auto answer = tunnel::parse_direct_answer(bytes.front()))
    SALLYPORT_CHECK(tunnel::encode_direct_answer(*answer) == bytes.front());
  const auto head = tunnel::parse_direct_head(bytes.first(std::min(size, tunnel::kDirectHeadSize)));
  if (!head) return 0;
  SALLYPORT_CHECK(head->grant_size >= 1 && head->grant_size <= tunnel::kMaxSealedGrant);
  const ByteView grant = bytes.subspan(tunnel::kDirectHeadSize);
  if (grant.size() != head->grant_size) return 0;
  SALLYPORT_CHECK(std::ranges::equal(tunnel::encode_direct_ask({head->purpose, to_bytes(grant)}), bytes));
  return 0;
}
