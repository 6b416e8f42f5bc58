#include "rpcnode/methods.h"

#include <algorithm>
#include <utility>

namespace sallyport::rpcnode {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_method_character(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == ':';
}

}  // namespace

Result<void> check_method_name(std::string_view name) {
  if (name.empty() || name.size() > sealed::kMaxMethodName)
    return failf(Errc::malformed, "method name: {} characters, want 1 to {}", name.size(), sealed::kMaxMethodName);
  if (!is_letter(name.front())) return fail(Errc::malformed, "method name: want a letter first");
  if (!std::ranges::all_of(name, is_method_character))
    return fail(Errc::malformed, "method name: want letters, digits and . _ - : alone");
  if (name.starts_with("rpc.")) return fail(Errc::malformed, "method name: 'rpc.' is reserved by JSON-RPC 2.0");
  return {};
}

Result<void> MethodTable::add(std::string name, Method method) {
  TRY_VOID(check_method_name(name));
  if (methods_.size() >= kMaxMethods) return failf(Errc::overloaded, "methods: {} already", methods_.size());
  const auto [at, added] = methods_.try_emplace(std::move(name), std::move(method));
  if (!added) return failf(Errc::conflict, "method '{}': is there already", at->first);
  return {};
}

const Method* MethodTable::find(std::string_view name) const {
  const auto found = methods_.find(name);
  return found == methods_.end() ? nullptr : &found->second;
}

bool MethodTable::is_idempotent(std::string_view json) const {
  return is_idempotent(sealed::parse_json_rpc(json));
}

bool MethodTable::is_idempotent(const sealed::RpcBatch& batch) const {
  return std::ranges::all_of(batch.elements, [&](const auto& element) {
    const auto* request = std::get_if<sealed::RpcRequest>(&element);
    if (request == nullptr) return true;  // answered by a fault, which changes nothing
    const Method* method = find(request->method);
    return method == nullptr || method->idempotent;
  });
}

}  // namespace sallyport::rpcnode
