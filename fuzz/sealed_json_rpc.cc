// JSON-RPC 2.0: something can always be answered, within the limits, and what we write reads back.
#include <cstdint>
#include <cstdlib>

#include "sealed/json_rpc.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  const sealed::RpcBatch batch = sealed::parse_json_rpc(text);
  if (batch.elements.empty() || batch.elements.size() > sealed::kMaxBatch) std::abort();
  for (const auto& element : batch.elements) {
    if (const auto* request = std::get_if<sealed::RpcRequest>(&element)) {
      if (request->method.empty() || request->method.size() > sealed::kMaxMethodName) std::abort();
      const auto again =
          sealed::parse_json_rpc(sealed::rpc_request(request->id.value_or(nullptr), request->method, request->params));
      if (again.elements.size() != 1 || !std::holds_alternative<sealed::RpcRequest>(again.elements[0])) std::abort();
    } else {
      const auto& fault = std::get<sealed::RpcFault>(element);
      if (!sealed::parse_rpc_response(sealed::rpc_error(fault.id, fault.code, fault.message).write(), fault.id))
        std::abort();
    }
  }
  (void)sealed::parse_rpc_response(text, codec::Json(1));
  return 0;
}
