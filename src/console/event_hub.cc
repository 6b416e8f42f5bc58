#include "console/event_hub.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "codec/text.h"

namespace sallyport::console {
namespace {

constexpr std::string_view kReady = "event: ready\ndata: {}\n\n";
constexpr std::string_view kComment = ": still here\n\n";
constexpr std::array<std::string_view, 6> kEvents = {"device", "session", "audit", "alarm", "status", "rpc"};

constexpr std::string_view kLoginEnded = "login-ended";

struct Announcement {
  std::string tenant;
  std::string text;  // as it goes over the wire; empty: to nobody
  codec::Json data;
};

Result<Announcement> parse_announcement(std::string_view json) {
  TRY(auto parsed, codec::parse_json(json));
  TRY(auto event, parsed.text_at("event"));
  TRY(auto tenant, parsed.text_at("tenant"));
  TRY(auto data, parsed.at("data"));
  if (event == kLoginEnded) return Announcement{.tenant = {}, .text = {}, .data = std::move(data)};
  if (std::ranges::find(kEvents, event) == kEvents.end()) {
    return fail(Errc::malformed, "announcement: an event that the API does not have");
  }
  auto text = fmt::format("event: {}\ndata: {}\n\n", event, data.write());
  return Announcement{.tenant = std::move(tenant), .text = std::move(text), .data = {}};
}

}  // namespace

class EventHub::Watcher {
 public:
  Watcher(net::Executor executor, const Session& session)
      : token(session.token_sha256), login(session.login), tenant(session.tenant), changed(std::move(executor)) {}

  void push(std::string_view text) {
    if (queue.size() + text.size() > kMaxQueuedEvents) {
      close();
      return;
    }
    queue += text;
    changed.set();
  }
  void close() {
    closed = true;
    queue.clear();
    changed.set();
  }

  const records::Digest token;
  const std::string login;
  const std::string tenant;
  std::string queue;
  bool closed = false;
  net::Event changed;
};

EventHub::EventHub(net::Executor executor, SessionCheck is_alive)
    : executor_(std::move(executor)), is_alive_(std::move(is_alive)) {}

std::vector<std::shared_ptr<EventHub::Watcher>> EventHub::living() {
  std::vector<std::shared_ptr<Watcher>> alive;
  std::erase_if(watchers_, [&](const std::weak_ptr<Watcher>& weak) {
    auto watcher = weak.lock();
    if (!watcher || watcher->closed) return true;
    alive.push_back(std::move(watcher));
    return false;
  });
  return alive;
}

std::size_t EventHub::count() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(watchers_, [](const std::weak_ptr<Watcher>& weak) { return !weak.expired(); }));
}

Result<std::shared_ptr<EventHub::Watcher>> EventHub::watch(const Session& session) {
  const auto alive = living();
  if (alive.size() >= kMaxStreams) return fail(Errc::overloaded, "unavailable: too many people watch");
  const auto is_of_session = [&](const auto& watcher) { return watcher->token == session.token_sha256; };
  if (static_cast<std::size_t>(std::ranges::count_if(alive, is_of_session)) >= kStreamsPerSession) {
    (*std::ranges::find_if(alive, is_of_session))->close();
  }
  auto watcher = std::make_shared<Watcher>(executor_, session);
  watchers_.push_back(watcher);
  return watcher;
}

net::Task<void> EventHub::write_events(std::shared_ptr<Watcher> watcher, http::BodyWriter& writer) {
  Bytes piece = to_bytes(kReady);
  net::Deadline beat(kBeat);
  for (;;) {
    if (!co_await writer.write(std::move(piece), http::kWriteLimit)) co_return;
    static_cast<void>(co_await watcher->changed.wait(beat));
    if (watcher->closed) co_return;
    piece = to_bytes(std::exchange(watcher->queue, {}));
    watcher->changed.clear();
    if (!beat.passed()) continue;
    if (!co_await is_alive_(watcher->token)) co_return;
    beat = net::Deadline(kBeat);
    if (piece.empty()) piece = to_bytes(kComment);
  }
}

void EventHub::publish(std::string_view json) {
  const auto announcement = parse_announcement(json);
  if (!announcement) {
    log::error("console.event-refused", {{"error", announcement.error()}});
    return;
  }
  if (announcement->text.empty()) return end_told(announcement->data);
  for (const auto& watcher : living()) {
    if (watcher->tenant.empty() || watcher->tenant == announcement->tenant) watcher->push(announcement->text);
  }
}

void EventHub::tell_to_read_anew() {
  for (const auto& watcher : living()) watcher->push(kReady);
}

void EventHub::end_told(const codec::Json& data) {
  const auto login = data.text_at("login");
  const auto token = data.text_at("token_sha256");
  for (const auto& watcher : living()) {
    const bool is_named = token ? codec::encode_hex(watcher->token) == *token : login && watcher->login == *login;
    if (is_named) watcher->close();
  }
}

void EventHub::end(const records::Digest& token) {
  for (const auto& watcher : living()) {
    if (watcher->token == token) watcher->close();
  }
}

}  // namespace sallyport::console
