#include "agent/remote_access.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "codec/text.h"
#include "net/timer.h"
#include "pki/signed_object.h"

namespace sallyport::agent {
namespace {

constexpr milliseconds kExpiryStep{1'000};

std::string session_text(const tunnel::GrantId& session) {
  return codec::encode_hex(session.get());
}

}  // namespace

tunnel::RefuseCode refuse_code_of(const Error& error) {
  if (error.code == Errc::expired) return tunnel::RefuseCode::grant_expired;
  if (error.code == Errc::overloaded) return tunnel::RefuseCode::busy;
  return tunnel::RefuseCode::grant_invalid;
}

RemoteAccess::RemoteAccess(AgentState& state, DeviceTime& time, ServerCheck& check, Random& random, DeviceName device)
    : state_(state),
      time_(time),
      check_(check),
      grants_(std::move(device), state.settings().zone),
      gate_(grants_, random, {.public_port = state.public_port()}),
      is_on_(state.remote_access()) {
  if (auto closed = state.closed_services()) {
    closed_ = *std::move(closed);
  } else {
    log::error("agent.services", {{"error", closed.error()}, {"next", "none is open"}});
  }
}

const tunnel::AccessGrant* RemoteAccess::find_proven(const crypto::Sha256Digest& sealed) {
  const auto found = proven_.find(sealed);
  if (found == proven_.end()) return nullptr;
  const Proven& proven = found->second;
  if (time_.monotonic() < proven.until && check_.is_recent(proven.signer) && proven.anchors == state_.anchors() &&
      proven.root_crl_numbers == state_.ratchets().root_crl_numbers) {
    return &proven.grant;
  }
  proven_.erase(found);
  return nullptr;
}

net::Task<Result<tunnel::AccessGrant>> RemoteAccess::prove(crypto::Sha256Digest digest, Bytes sealed_grant) {
  CO_TRY(const auto opened, pki::open_object(pki::ControlKind::grant, sealed_grant, state_.anchors(), time_.rule()));
  CO_TRY_VOID(co_await check_.check_recent(opened.signer(), "grant signer"));
  CO_TRY(auto grant, tunnel::parse_grant(opened.payload()));
  if (proven_.size() >= tunnel::kMaxLiveGrants) proven_.clear();
  proven_.insert_or_assign(digest, Proven{.grant = grant,
                                          .signer = opened.signer(),
                                          .anchors = state_.anchors(),
                                          .root_crl_numbers = state_.ratchets().root_crl_numbers,
                                          .until = time_.monotonic() + kProvenGrant});
  co_return std::move(grant);
}

net::Task<Result<tunnel::AccessGrant>> RemoteAccess::admit(Bytes sealed_grant) {
  const auto digest = crypto::sha256(sealed_grant);
  const tunnel::AccessGrant* const proven = find_proven(digest);
  auto found =
      proven != nullptr ? Result<tunnel::AccessGrant>(*proven) : co_await prove(digest, std::move(sealed_grant));
  CO_TRY(auto grant, std::move(found));
  if (!is_on_) co_return fail(Errc::unauthorized, "remote access: is switched off on the device");
  CO_TRY_VOID(grants_.admit(grant, time_.now()));
  co_return std::move(grant);
}

void RemoteAccess::close_connections(const tunnel::GrantId& session) {
  std::vector<std::function<void()>> cuts;
  for (auto& [id, connection] : connections_->open) {
    if (connection.session == session && connection.cut) cuts.push_back(std::exchange(connection.cut, nullptr));
  }
  for (const auto& cut : cuts) cut();
}

void RemoteAccess::end(const std::vector<tunnel::LiveGrants::Ended>& ended) {
  for (const auto& each : ended) {
    const bool expired = each.why == tunnel::LiveGrants::Ended::Why::expired;
    log::info("agent.session-ended",
              {{"session", session_text(each.grant.session())}, {"why", expired ? "expired" : "cut"}});
    gate_.forget(each.grant.label);
    close_connections(each.grant.session());
  }
}

void RemoteAccess::cut(const tunnel::GrantId& session) {
  end(grants_.cut(session, time_.now()));
  close_connections(session);
}

void RemoteAccess::cut_all() {
  end(grants_.cut_all(time_.now()));
}

net::Task<void> RemoteAccess::run() {
  for (;;) {
    co_await net::sleep_for(kExpiryStep);
    end(grants_.expire(time_.now()));
  }
}

Result<void> RemoteAccess::set_on(bool on) {
  TRY_VOID(state_.set_remote_access(on));
  is_on_ = on;
  if (!on) cut_all();
  log::info("agent.remote-access", {{"on", on}});
  if (told_) told_();
  return {};
}

Result<std::set<ServiceName>> switch_service(AgentState& state, const ServiceName& service, bool open) {
  const auto all = state.settings().offered();
  const auto is_it = [&](const tunnel::Service& each) { return each.name == service; };
  if (std::ranges::none_of(all, is_it))
    return failf(Errc::not_found, "service {}: agent.toml has none of that name", service.get());
  TRY(auto closed, state.closed_services());
  const bool changes = open ? closed.erase(service) == 1 : closed.insert(service).second;
  if (changes) TRY_VOID(state.set_closed_services(closed));
  return closed;
}

std::vector<tunnel::Service> RemoteAccess::offered() const {
  auto out = state_.settings().offered();
  std::erase_if(out, [&](const tunnel::Service& each) { return !is_open(each.name); });
  return out;
}

Result<void> RemoteAccess::set_open(const ServiceName& service, bool open) {
  TRY(closed_, switch_service(state_, service, open));
  if (!open) {
    for (const tunnel::GrantId& session : grants_.sessions_of(service)) cut(session);
  }
  log::info("agent.service", {{"service", service.get()}, {"open", open}});
  if (told_) told_();
  return {};
}

RemoteAccess::Registration::Registration(RemoteAccess& access, const tunnel::GrantId& session,
                                         std::function<void()> cut)
    : connections_(access.connections_), id_(connections_->next_id++) {
  connections_->open.emplace(id_, Connections::Connection{.session = session, .cut = std::move(cut)});
}

RemoteAccess::Registration::~Registration() {
  connections_->open.erase(id_);
}

}  // namespace sallyport::agent
