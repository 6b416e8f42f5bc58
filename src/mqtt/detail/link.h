// One connection while it lasts: what its reader, its writer and its ticker share.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "mqtt/session.h"
#include "net/stream.h"
#include "net/timer.h"

namespace sallyport::mqtt {

// Somebody waits for the broker's answer to one packet.
struct Waiter {
  explicit Waiter(net::Executor executor) : done(std::move(executor)) {}
  net::Event done;
  std::optional<Result<void>> result;
};

struct Awaited {
  std::shared_ptr<Waiter> waiter;     // may be empty
  std::optional<TopicFilter> filter;  // of a SUBSCRIBE
};

struct Link {
  Link(net::StreamPtr opened, Version version, const SessionLimits& limits)
      : stream(std::move(opened)),
        session(version, limits),
        output(stream->executor()),
        drained(stream->executor()),
        ended(stream->executor()) {}

  // Cuts the connection and wakes all who work on it; the first reason stays.
  void cut(Error reason) {
    if (!why) why = std::move(reason);
    stream->close();
    output.set();
    drained.set();
    ended.set();
  }
  // Hands the answer to whoever waits for it, and takes the entry out.
  std::optional<Awaited> answer(std::uint16_t id, const Result<void>& result) {
    const auto found = awaited.find(id);
    if (found == awaited.end()) return std::nullopt;
    Awaited out = std::move(found->second);
    awaited.erase(found);
    if (out.waiter) {
      out.waiter->result = result;
      out.waiter->done.set();
    }
    return out;
  }

  net::StreamPtr stream;
  Session session;
  net::Event output;   // the session has something to send
  net::Event drained;  // something was written
  net::Event ended;
  std::optional<Error> why;  // it was cut
  bool lasted = false;       // half a keep-alive interval
  std::map<std::uint16_t, Awaited> awaited;
};

}  // namespace sallyport::mqtt
