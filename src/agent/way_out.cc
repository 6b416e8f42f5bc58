#include "agent/way_out.h"

#include <algorithm>

#include "agent/proxy_tunnel.h"
#include "agent/web_socket_way.h"
#include "base/log.h"
#include "codec/text.h"
#include "net/connect.h"
#include "net/tls_stream.h"
#include "pki/foreign_names.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kMaxInspectorText = 200;

// Whoever issued a chain that no anchor's name is in; absent where one is.
std::optional<std::string> find_inspector(std::span<const Bytes> chain, std::span<const pki::Certificate> anchors) {
  std::optional<std::string> who;
  for (const Bytes& der : chain) {
    const auto names = pki::parse_foreign_names(der);
    const auto is_ours = [&](const pki::Certificate& anchor) { return names && anchor.subject() == names->issuer; };
    if (std::ranges::any_of(anchors, is_ours)) return std::nullopt;
    if (!who)
      who =
          names ? std::string(codec::cut_utf8(names->issuer.text(), kMaxInspectorText)) : "a name that cannot be read";
  }
  return who;
}

// Who logs in for plain HTTP.
class Visitor final : public http::ProxyVisitor {
 public:
  explicit Visitor(std::shared_ptr<tunnel::ProxyLogin> login) : login_(std::move(login)) {}

  Result<SecretBytes> show(std::string_view method, std::string_view target) override {
    TRY(shown_, login_->show(method, target));
    return std::exchange(shown_.line, {});
  }

  void take_success() override { login_->take_success(shown_); }

  bool take_challenges(const std::vector<std::string_view>& challenges, unsigned requests) override {
    std::vector<tunnel::AuthChallenge> read;
    for (const std::string_view field : challenges) tunnel::read_challenges(field, read);
    auto again = login_->take_challenges(read, shown_, requests);
    if (!again) log::info("agent.proxy-login-refused", {{"error", again.error()}});
    return again.has_value();
  }

 private:
  std::shared_ptr<tunnel::ProxyLogin> login_;
  tunnel::ShownLogin shown_;  // by the request that was sent last
};

}  // namespace

// What a handshake showed.
struct WayOut::Seen {
  std::optional<std::string> inspector;
  bool has_chain = false;
};

WayOut::WayOut(const Settings& settings, Random& random) : WayOut(settings, WayMemory(), nullptr, random) {}

WayOut::WayOut(AgentState& state, Random& random) : WayOut(state.settings(), state.way_memory(), &state, random) {}

WayOut::WayOut(const Settings& settings, WayMemory memory, AgentState* state, Random& random)
    : zone_(settings.zone),
      http_(settings.http_address),
      second_status_(settings.second_status),
      proxy_(settings.proxy),
      proxy_else_direct_(settings.proxy_else_direct),
      no_proxy_(settings.no_proxy),
      from_(settings.connect_from),
      random_(random),
      ways_(settings, memory.way),
      memory_(std::move(memory)),
      state_(state) {
  if (proxy_) proxy_login_ = std::make_shared<tunnel::ProxyLogin>(proxy_->credentials, settings.proxy_login, random);
}

net::Task<Result<net::StreamPtr>> WayOut::dial(std::size_t way, net::Deadline deadline,
                                               net::SocketOptions socket) const {
  CO_TRY(auto dialled, co_await dial_way(way, deadline, socket));
  co_return std::move(dialled.stream);
}

net::Task<Result<WayOut::Dialled>> WayOut::dial_way(std::size_t way, net::Deadline deadline,
                                                    net::SocketOptions socket) const {
  const Way& chosen = ways_.all()[way];
  net::ConnectOptions options{.socket = socket, .source = from_};
  if (chosen.is_web_socket) {
    CO_TRY(auto reached,
           co_await open_web_socket(chosen.target, chosen.proxy, proxy_login_, deadline, std::move(options), random_));
    co_return Dialled{.stream = std::move(reached.stream), .own_host = std::move(reached.own_host)};
  }
  Dialled out;
  if (chosen.proxy) {
    CO_TRY(out.stream,
           co_await connect_through(*chosen.proxy, proxy_login_, chosen.target, deadline, std::move(options)));
  } else {
    CO_TRY(out.stream, co_await net::connect_tcp(chosen.target, deadline, std::move(options)));
  }
  out.own_host = net::own_address(*out.stream).host;
  co_return out;
}

// To an HTTP proxy in absolute form, because many let CONNECT through to port 443 alone.
net::Task<Result<HttpReached>> WayOut::dial_plain_through(Proxy proxy, net::Address target,
                                                          net::Deadline deadline) const {
  HttpReached out;
  if (proxy.kind == ProxyKind::socks5) {
    CO_TRY(out.stream,
           co_await connect_through(std::move(proxy), nullptr, std::move(target), deadline, {.source = from_}));
    co_return out;
  }
  auto stream = co_await net::connect_tcp(proxy.address, deadline, {.source = from_});
  if (!stream) co_return std::unexpected(std::move(stream).error().at("proxy"));
  out.stream = *std::move(stream);
  out.form = {.origin = "http://" + net::to_string(target), .visitor = std::make_shared<Visitor>(proxy_login_)};
  co_return out;
}

net::Task<Result<HttpReached>> WayOut::dial_plain(net::Address target, net::Deadline deadline) const {
  if (proxy_ && !no_proxy_.matches(target)) {
    auto through = co_await dial_plain_through(*proxy_, target, earlier(deadline, kReachLimit));
    if (through || !proxy_else_direct_) co_return through;
  }
  HttpReached out;
  CO_TRY(out.stream, co_await net::connect_tcp(target, earlier(deadline, kReachLimit), {.source = from_}));
  co_return out;
}

net::Task<Result<WayOut::Dialled>> WayOut::try_tls(std::size_t way, std::shared_ptr<crypto::TlsContext> context,
                                                   const std::string& server_name, const Seen& seen, bool is_last,
                                                   Hurdle& hurdle) const {
  const Way& chosen = ways_.all()[way];
  // The way that worked has time: where it does not answer at once the relay may be busy.
  const bool is_known = way == ways_.used();
  const net::Deadline deadline(is_last || is_known ? kDialLimit : kWayLimit);
  const auto reach_limit = is_last ? deadline : earlier(deadline, is_known ? kWayLimit : kReachLimit);
  auto lower = co_await dial_way(way, reach_limit);
  if (!lower) {
    hurdle = chosen.proxy || chosen.is_web_socket ? Hurdle::proxy : Hurdle::unreachable;
    co_return std::unexpected(std::move(lower).error());
  }
  auto stream = co_await net::tls_connect(std::move(lower->stream), std::move(context), server_name, deadline);
  if (stream) co_return Dialled{.stream = *std::move(stream), .own_host = std::move(lower->own_host)};
  hurdle = seen.inspector ? Hurdle::inspected : Hurdle::broken;
  if (!seen.inspector) co_return std::unexpected(std::move(stream).error().at(server_name));
  const std::string where =
      chosen.proxy ? "the proxy " + net::to_string(chosen.proxy->address) : std::string("the network");
  co_return failf(Errc::unauthorized,
                  "{}: {} ends TLS with a certificate by \"{}\", want one of this installation; ask whoever runs it to "
                  "exempt {} and *.{} from TLS inspection",
                  server_name, where, *seen.inspector, net::to_string(chosen.target), zone_.get());
}

net::Task<Result<Reached>> WayOut::connect_tls(TlsWanted wanted, Instant now) {
  const auto seen = std::make_shared<Seen>();
  wanted.settings.verify_server = [verify = std::move(wanted.settings.verify_server), seen,
                                   anchors = std::move(wanted.anchors)](std::span<const Bytes> chain) -> Result<void> {
    seen->has_chain = true;
    auto verified = verify(chain);
    if (!verified) seen->inspector = find_inspector(chain, anchors);
    return verified;
  };
  CO_TRY(const auto context, crypto::TlsContext::client(std::move(wanted.settings)));
  const std::vector<std::size_t> order = ways_.order(now);
  Error failure{.code = Errc::unavailable, .detail = {}};
  for (std::size_t i = 0; i < order.size(); ++i) {
    *seen = Seen();
    Hurdle hurdle = Hurdle::broken;
    const std::size_t way = order[i];
    auto dialled = co_await try_tls(way, context, wanted.server_name, *seen, i + 1 == order.size(), hurdle);
    if (dialled) {
      Reached out{.stream = std::move(dialled->stream), .way = way, .network = {}};
      out.network = network_of(dialled->own_host) + " " + ways_.all()[way].label();
      take_working(out);
      co_return out;
    }
    Error why = std::move(dialled).error();
    // A server of ours that is not trusted is met by every way.
    const bool is_ours = seen->has_chain && !seen->inspector;
    if (is_ours) co_return std::unexpected(std::move(why));
    const std::string label = ways_.all()[way].label();
    log::info("agent.way-failed", {{"way", label}, {"error", why.detail}});
    const bool goes_on = ways_.on_failed(way, {.hurdle = hurdle, .detail = why.detail}, now);
    failure.code = why.code;
    failure.detail += (failure.detail.empty() ? "" : "; ") + (order.size() > 1 ? label + ": " : "") + why.detail;
    if (!goes_on) break;
  }
  co_return std::unexpected(std::move(failure));
}

void WayOut::take_working(const Reached& reached) {
  const std::string label = ways_.all()[reached.way].label();
  if (ways_.used() != reached.way) log::info("agent.way", {{"way", label}});
  ways_.on_worked(reached.way);
  if (memory_.way == label) return;
  memory_.way = label;
  write();
}

NetworkMemory WayOut::find_network(std::string_view network) const {
  const auto found = std::ranges::find(memory_.networks, network, &NetworkMemory::network);
  return found == memory_.networks.end() ? NetworkMemory{.network = std::string(network), .ping = {}} : *found;
}

void WayOut::keep_network(const NetworkMemory& known) {
  const NetworkMemory before = find_network(known.network);
  memory_.enter(known.network) = known;
  if (before.ping.ceiling != known.ping.ceiling || before.is_sealed != known.is_sealed) write();
}

void WayOut::write() const {
  if (state_ == nullptr) return;
  if (auto kept = state_->remember_ways(memory_); !kept) log::warn("agent.ways-not-stored", {{"error", kept.error()}});
}

}  // namespace sallyport::agent
