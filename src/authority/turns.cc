#include "authority/turns.h"

namespace sallyport::authority {

Turns::Turns(net::Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

Turns::Turn::~Turn() {
  if (!state_) return;
  auto node = state_->held.extract(name_);
  if (!node.empty()) node.mapped()->set();
}

net::Task<Result<Turns::Turn>> Turns::take(std::string name, net::Deadline deadline) {
  return take_in(state_, std::move(name), deadline);
}

net::Task<Result<Turns::Turn>> Turns::take_in(std::shared_ptr<State> state, std::string name, net::Deadline deadline) {
  for (;;) {
    const auto found = state->held.find(name);
    if (found == state->held.end()) break;
    const auto given_back = found->second;
    auto waited = co_await given_back->wait(deadline);
    if (!waited) co_return fail(Errc::overloaded, "turn: the same is being done already, and takes long");
  }
  state->held.emplace(name, std::make_shared<net::Event>(state->executor));
  co_return Turn(std::move(state), std::move(name));
}

}  // namespace sallyport::authority
