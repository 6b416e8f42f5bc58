#include "sealed/detail/pending_calls.h"

#include <utility>

namespace sallyport::sealed {

PendingCall& PendingCalls::add(PendingCall call) {
  const CallId id = call.id;
  call.order = ++orders_;
  if (call.is_stored()) ++stored_;
  PendingCall& added = by_id_.emplace(id, std::move(call)).first->second;
  make_wait(added);
  return added;
}

void PendingCalls::erase(const CallId& id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  if (found->second.is_stored()) --stored_;
  waiting_.erase(found->second.order);
  by_id_.erase(found);
}

PendingCall* PendingCalls::find(const CallId& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

void PendingCalls::make_wait(PendingCall& call) {
  if (!call.is_stored()) waiting_.emplace(call.order, &call);
}

}  // namespace sallyport::sealed
