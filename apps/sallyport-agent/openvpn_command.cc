#include "agent/agent.h"
#include "agent/openvpn_peer.h"
#include "codec/json.h"
#include "codec/text.h"
#include "commands.h"
#include "net/run.h"

namespace sallyport::agent_cli {
namespace {

// Both ways to the status service, each with its question about the issuer; OpenVPN gives a handshake 60 s.
constexpr milliseconds kJudgeLimit{45'000};
constexpr seconds kHardLimit{50};

net::Task<Result<void>> judge(agent::Agent& agent, pki::Certificate leaf, DnsName name) {
  co_return co_await agent.check_server(std::move(leaf), std::move(name));
}

Outcome verify_without_agent(const OpenvpnOptions& options, pki::Certificate leaf, DnsName name,
                             Environment& environment) {
  auto opened = open_state(options.state);
  if (!opened) return std::unexpected(std::move(opened).error());
  agent::AgentState& state = *opened;
  auto queue = open_queue(state, environment.random);
  if (!queue) return std::unexpected(std::move(queue).error());
  net::Io io;
  agent::Agent agent(io.executor(), environment.clock, environment.random, state, **queue);
  auto done = net::run(io, judge(agent, std::move(leaf), std::move(name)));
  if (!done) return fail(Errc::internal, "openvpn: the question was interrupted");
  TRY_VOID(*std::move(done));
  return {};
}

}  // namespace

Outcome openvpn_verify(const OpenvpnOptions& options, Environment& environment) {
  TRY(auto name, parse_dns_name(options.name));
  TRY(auto leaf,
      agent::read_openvpn_peer({.depth = options.depth, .file = options.peer_cert, .sha256 = options.digest}));
  if (!leaf) return {};
  agent::end_openvpn_hook_after(kHardLimit);
  const codec::Json body(codec::Json::Object{{"name", name.get()}, {"certificate", codec::encode_base64(leaf->der())}});
  const auto told = ask_agent(options.state, "POST", "/server-check", body.write(), kJudgeLimit);
  if (told) return {};
  if (told.error().code != Errc::not_found) return std::unexpected(Failure(told.error(), ExitStatus::refused));
  return verify_without_agent(options, *std::move(leaf), std::move(name), environment);
}

}  // namespace sallyport::agent_cli
