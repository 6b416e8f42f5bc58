// The role `caller`: calls nodes for the console, with the broker connections and keys that nobody else in the
// installation has (ADR 0030).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <set>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "net/listener.h"
#include "net/task_group.h"
#include "pki/certificate.h"
#include "rpcnode/caller_request.h"
#include "rpcnode/settings.h"

namespace sallyport::rpcnode {

struct CallerRoleSettings {
  BrokerWay way;
  std::filesystem::path folder;         // its own: kept-keys.json
  std::vector<pki::Certificate> roots;  // bundles are judged by
  DnsName zone;
  std::set<uid_t> askers;  // who may ask: the console
};

inline constexpr std::size_t kBundlesAtOnce = 16;  // verified between two pauses
inline constexpr milliseconds kBundlePause{50};
inline constexpr std::size_t kMaxOpenNodes = 48;  // nodes that have sessions at the same time
inline constexpr seconds kOpenNodeLife{600};      // without a call
inline constexpr milliseconds kAskLimit{10'000};  // of what is asked of a node while a person waits
inline constexpr milliseconds kAnswerKept =
    kMaxCallTimeout;                         // how long a node keeps a call's answer for who asks again
inline constexpr std::size_t kMaxAsks = 16;  // of those, at the same time
// Of rotating a key that is kept here: if the answer is lost, the secret of before has to be good for asking again.
inline constexpr seconds kLeastKeptOverlap{3'600};
inline constexpr milliseconds kEventPause{250};  // between two events to the console
inline constexpr std::size_t kMaxAskers = 8;     // connections

// One thread. Borrows what it is made with; `tasks` must have been stopped before this ends.
class CallerRole {
 public:
  // Reads the kept keys and begins to connect. Errors name the file.
  static Result<std::unique_ptr<CallerRole>> open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                                  CallerRoleSettings settings);
  ~CallerRole();
  CallerRole(const CallerRole&) = delete;
  CallerRole& operator=(const CallerRole&) = delete;

  // Serves the requests of rpcnode/caller_request.h until the listener is closed; whoever may not ask is hung up on.
  // Every answer is JSON of docs/api/openapi.yaml. An event, of no content, says that something has changed.
  net::Task<void> serve(net::Listener& listener);
  // The same for one request.
  net::Task<Result<Bytes>> answer(Bytes request);
  // Takes leave of the brokers.
  net::Task<void> finish();

 private:
  struct State;
  CallerRole() = default;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::rpcnode
