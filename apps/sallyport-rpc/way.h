// A way to one node that is open: a thread with a loop of its own, and calls from any number of other threads.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "rpcnode/caller_task.h"
#include "way_settings.h"

namespace sallyport::library {

// A request of a handle's owner; what is to be sent, or asked for.
struct Request {
  sealed::CallId id;
  std::string json;  // empty: asks for the result of a stored call
  milliseconds timeout{10'000};
  bool idempotent = false;
  bool fail_on_disconnect = false;
  bool stored = false;
};

// Its end. Errc::expired, Errc::unavailable, Errc::overloaded, Errc::malformed, Errc::conflict as of CallerTask;
// Errc::internal when the way is closed.
using Reply = Result<sealed::ReplyBody>;

class OpenWay {
 public:
  // Begins to connect. Errors name the file.
  static Result<std::unique_ptr<OpenWay>> open(Way way);
  // Ends the calls under way and returns when the last of them has returned.
  ~OpenWay();
  // Ends the thread, and with it the calls under way; those that come later are answered as closed. From one thread.
  void close();
  OpenWay(const OpenWay&) = delete;
  OpenWay& operator=(const OpenWay&) = delete;

  // From any thread. `on_progress` is called in it.
  Reply run(Request request, const std::function<void(const std::string& json)>& on_progress);
  UnixTime now() const;
  sealed::CallId draw_call_id();

 private:
  struct State;
  class Leaving;
  OpenWay() = default;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::library
