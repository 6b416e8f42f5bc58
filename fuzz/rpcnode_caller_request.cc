// Input: a request of the console at the socket of the role caller.
#include <cstdint>
#include <cstdlib>

#include "rpcnode/access_rules.h"
#include "rpcnode/caller_request.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const auto request = rpcnode::parse_caller_request(bytes);
  if (!request) {
    if (!request.error().detail.starts_with("invalid-request: ")) std::abort();
    if (const auto purpose = rpcnode::parse_key_purpose(as_text(bytes));
        purpose && rpcnode::to_string(*purpose) != as_text(bytes))
      std::abort();
    return 0;
  }
  if (const auto* begin = std::get_if<rpcnode::BeginRequest>(&*request);
      begin != nullptr && (begin->method.starts_with(rpcnode::kManagementMethods) || begin->by.empty() ||
                           begin->timeout < rpcnode::kLeastCallTimeout || begin->timeout > rpcnode::kMaxCallTimeout))
    std::abort();
  if (const auto* manage = std::get_if<rpcnode::ManageRequest>(&*request);
      manage != nullptr && !manage->method.starts_with(rpcnode::kManagementMethods))
    std::abort();
  return 0;
}
