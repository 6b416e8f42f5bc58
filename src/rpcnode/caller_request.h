// What the console asks of the role caller: JSON of one act, over the role's socket.
//
//   {"act":"nodes"}                                          what was found, and for whom a key is kept
//   {"act":"methods","node"}                                 what a node lets us call
//   {"act":"begin","by","node","method","params"?,"idempotent"?,"timeout_ms"?}         checks a call and draws its id
//    … with "id" and "key", by which it was sent before     the same for a call that is asked for again
//   {"act":"run","by","id"}                                  sends it and answers when it has ended
//   {"act":"look","by","id"}                                 how it stands
//   {"act":"check","by","node","purpose","key"}              the id of a key that is to be kept, and keeps nothing
//   {"act":"keep","by","node","purpose","key"}               keeps a key for a node
//   {"act":"forget","node","purpose"}                        drops it
//   {"act":"keys","node"}                                    the keys of a node, without their secrets
//   {"act":"add","node","id","rules"}, {"act":"rotate","node","id","overlap_s"}, {"act":"remove","node","id"}
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "codec/json.h"
#include "rpcnode/kept_keys.h"
#include "rpcnode/methods.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxCallerRequest = 128U << 10U;
inline constexpr std::size_t kMaxCallParams = 48U << 10U;  // bytes of JSON
inline constexpr milliseconds kLeastCallTimeout{500};
inline constexpr milliseconds kDefaultCallTimeout{10'000};
// A node takes what is dated ten minutes ahead at most, by its own clock.
inline constexpr milliseconds kMaxCallTimeout{540'000};
inline constexpr std::size_t kMaxLogin = 64;

struct NodesRequest {};
struct MethodsRequest {
  sealed::NodeName node;
};
struct BeginRequest {
  std::string by;
  sealed::NodeName node;
  std::string method;  // never one of the management methods
  codec::Json params;  // an object, an array, or null where there are none
  bool idempotent = false;
  milliseconds timeout = kDefaultCallTimeout;
  std::optional<sealed::CallId> id;  // of a call that is asked for again
  std::optional<sealed::KeyId> key;  // by which that was sent before: with an id, and never without
};
struct RunRequest {
  std::string by;
  sealed::CallId id;
};
struct LookRequest {
  std::string by;
  sealed::CallId id;
};
struct KeepRequest {
  std::string by;
  sealed::NodeName node;
  KeyPurpose purpose = KeyPurpose::calls;
  sealed::ApiKey key;
};
struct CheckKeyRequest {
  KeepRequest to_keep;
};
struct ForgetRequest {
  sealed::NodeName node;
  KeyPurpose purpose = KeyPurpose::calls;
};
struct ListKeysRequest {
  sealed::NodeName node;
};
// A call of a management method, by the key for keys.
struct ManageRequest {
  sealed::NodeName node;
  std::string method;
  sealed::KeyId id;
  codec::Json params;
};
using CallerRequest = std::variant<NodesRequest, MethodsRequest, BeginRequest, RunRequest, LookRequest, CheckKeyRequest,
                                   KeepRequest, ForgetRequest, ListKeysRequest, ManageRequest>;

// Fails with Errc::malformed, "invalid-request: …", on anything but one of the above: an act that is not known, a
// member that is missing, of another type, outside its grammar or not known.
Result<CallerRequest> parse_caller_request(ByteView bytes);

}  // namespace sallyport::rpcnode
