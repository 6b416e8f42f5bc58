// What a node can do: methods by name.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/time.h"
#include "codec/json.h"
#include "net/deadline.h"
#include "net/task.h"
#include "sealed/json_rpc.h"
#include "sealed/responder.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxMethods = 512;
inline constexpr milliseconds kDefaultMethodLimit{10'000};
inline constexpr milliseconds kMaxMethodLimit{600'000};
inline constexpr std::size_t kDefaultConcurrent = 4;
inline constexpr std::size_t kMaxConcurrent = 64;

// Why a method did not do what it was called for.
struct MethodFault {
  sealed::RpcCode code = sealed::RpcCode::failed;
  std::string message;
  codec::Json data;
};
using MethodResult = std::expected<codec::Json, MethodFault>;

// One call of a method that the caller may make.
struct MethodCall {
  std::string principal;
  std::string method;
  codec::Json params;
  sealed::CallId id;
  net::Deadline deadline;                     // of the caller and of the method, whichever is earlier
  std::function<void(codec::Json)> progress;  // tells the caller of something before the result
};

struct Method {
  std::string description;
  // May be run twice for one call without harm: then nothing is written before it runs.
  bool idempotent = false;
  milliseconds limit = kDefaultMethodLimit;
  std::size_t concurrent = kDefaultConcurrent;  // calls that run at the same time; more fail
  std::function<net::Task<MethodResult>(MethodCall)> run;
};

// Not thread-safe.
class MethodTable {
 public:
  // Errc::malformed for a name outside JSON-RPC's grammar here or one that begins with "rpc.", Errc::conflict for one
  // that is there, Errc::overloaded beyond kMaxMethods.
  Result<void> add(std::string name, Method method);
  // Null when there is none.
  const Method* find(std::string_view name) const;
  const std::map<std::string, Method, std::less<>>& all() const { return methods_; }
  // Whether every method that the JSON-RPC text names is idempotent; false where in doubt.
  bool is_idempotent(std::string_view json) const;
  bool is_idempotent(const sealed::RpcBatch& batch) const;

 private:
  std::map<std::string, Method, std::less<>> methods_;
};

// 1 to sealed::kMaxMethodName characters a-z A-Z 0-9 . _ - :, the first a letter. Errc::malformed.
Result<void> check_method_name(std::string_view name);

}  // namespace sallyport::rpcnode
