#include "rpcnode/agent_link.h"

#include <fcntl.h>

#include <utility>

#include "net/rpc.h"

namespace sallyport::rpcnode {

struct AgentLink::State {
  std::shared_ptr<net::RpcPeer> peer;
  std::function<void()> told;

  ~State() { peer->close(); }
  static net::Task<Result<Bytes>> ask(std::shared_ptr<State> self, sealed::NodeRequest request) {
    const Bytes bytes = sealed::encode_node_request(request);
    co_return co_await self->peer->call(bytes, kAgentLimit);
  }
  static net::Task<Result<codec::Json>> ask_json(std::shared_ptr<State> self, sealed::NodeRequest request) {
    CO_TRY(const Bytes answer, co_await ask(std::move(self), std::move(request)));
    co_return codec::parse_json(as_text(answer));
  }
};

Result<std::unique_ptr<AgentLink>> AgentLink::adopt(net::Executor executor, net::Descriptor socket) {
  ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
  TRY_VOID(net::set_non_blocking(socket.get()));
  TRY(auto stream, net::adopt_socket(std::move(executor), std::move(socket)));
  auto state = std::make_shared<State>();
  net::RpcOptions options{.max_frame = sealed::kMaxNodeFrame};
  options.on_event = [weak = std::weak_ptr(state)](const Bytes& event, const net::Caller&) {
    const auto held = weak.lock();
    if (held && held->told && event == Bytes{sealed::kIdentityChanged}) held->told();
  };
  state->peer = net::RpcPeer::start(std::move(stream), std::move(options));
  std::unique_ptr<AgentLink> out(new AgentLink);
  out->state_ = std::move(state);
  return out;
}

AgentLink::~AgentLink() = default;

net::Task<Result<Identity>> AgentLink::identity() {
  CO_TRY(const Bytes answer, co_await State::ask(state_, sealed::AskIdentity{}));
  CO_TRY(auto told, sealed::parse_node_identity(answer));
  co_return Identity::without_key(std::move(told));
}

net::Task<Result<Bytes>> AgentLink::sign(sealed::Bundle bundle) {
  return State::ask(state_, sealed::SignBundle{.bundle = std::move(bundle)});
}

net::Task<Result<codec::Json>> AgentLink::read_values() {
  return State::ask_json(state_, sealed::ReadValues{});
}

net::Task<Result<codec::Json>> AgentLink::list_services() {
  return State::ask_json(state_, sealed::ListServices{});
}

net::Task<Result<void>> AgentLink::switch_service(ServiceName name, bool open) {
  CO_TRY_VOID(co_await State::ask(state_, sealed::SwitchService{.name = std::move(name), .open = open}));
  co_return Result<void>{};
}

void AgentLink::on_identity(std::function<void()> told) {
  state_->told = std::move(told);
}

net::Task<void> AgentLink::ended() {
  return state_->peer->ended();
}

}  // namespace sallyport::rpcnode
