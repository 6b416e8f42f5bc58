// Server-sent events: what the authority announces goes to every person who watches and may see it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "console/login_sessions.h"
#include "http/limits.h"
#include "http/message.h"
#include "net/timer.h"

namespace sallyport::console {

inline constexpr std::size_t kStreamsPerSession = 8;  // the oldest ends for a ninth: a page that was left says nothing
inline constexpr std::size_t kMaxStreams = 2'048;
inline constexpr std::size_t kMaxQueuedEvents = 1U << 20U;  // bytes; a watcher that reads slower is closed
inline constexpr milliseconds kBeat{15'000};                // between comments, and between looks at the session

// One thread; must outlive the streams it writes.
class EventHub {
 public:
  // Whether the login session of this token still lives.
  using SessionCheck = std::function<net::Task<bool>(records::Digest token)>;
  EventHub(net::Executor executor, SessionCheck is_alive);

  class Watcher;
  // Errc::overloaded when there are too many in all. What is announced from here on reaches the watcher.
  Result<std::shared_ptr<Watcher>> watch(const Session& session);
  // Writes "ready" and then what comes, until the client goes, reads too slowly, or its session ends.
  net::Task<void> write_events(std::shared_ptr<Watcher> watcher, http::BodyWriter& writer);

  // Takes the authority's JSON {event, tenant, data}. An event of a tenant goes to this tenant and to those of the
  // whole installation; one without goes to the latter alone. "login-ended" goes to nobody, and ends the streams of
  // the session that it names, or of all of a login's.
  void publish(std::string_view json);
  // Tells everybody to read anew, since announcements were missed.
  void tell_to_read_anew();
  // Ends the streams of a session.
  void end(const records::Digest& token);
  std::size_t count() const;

 private:
  std::vector<std::shared_ptr<Watcher>> living();
  void end_told(const codec::Json& data);

  net::Executor executor_;
  SessionCheck is_alive_;
  std::vector<std::weak_ptr<Watcher>> watchers_;  // oldest first
};

}  // namespace sallyport::console
