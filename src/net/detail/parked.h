// A coroutine that waits until somebody wakes it.
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <functional>
#include <utility>

#include "net/detail/alarms.h"

namespace sallyport::net {

// Lives in the coroutine's frame: `co_await parked.until(deadline)` returns after wake() or the deadline, and when the
// coroutine's group was ended. It goes on in a later turn of its loop, never from within wake().
class Parked final : public Alarm {
 public:
  explicit Parked(Executor executor) : executor_(std::move(executor)), alarms_(&Alarms::of(executor_)) {}
  ~Parked() { alarms_->clear(*this); }
  Parked(const Parked&) = delete;
  Parked& operator=(const Parked&) = delete;

  auto until(Deadline deadline) {
    return boost::asio::async_initiate<const boost::asio::deferred_t, void()>(Park{this, deadline},
                                                                              boost::asio::deferred);
  }
  // Nothing happens where it does not wait.
  void wake();
  // For who is called by the loop itself, while it waits: the coroutine goes on within the call, and this may have
  // ended after it.
  void resume();
  bool is_waiting() const { return static_cast<bool>(go_on_); }

 private:
  struct Park {
    Parked* parked;
    Deadline deadline;
    template <class Handler>
    void operator()(Handler handler) const {
      auto slot = boost::asio::get_associated_cancellation_slot(handler);
      // Asio clears the slot when the coroutine goes on.
      if (slot.is_connected()) slot.assign([waiting = parked](boost::asio::cancellation_type) { waiting->wake(); });
      parked->park(std::move(handler), deadline);
    }
  };

  void park(std::move_only_function<void()> go_on, Deadline deadline);
  void on_deadline() override { wake(); }
  void on_loop_end() override;

  Executor executor_;
  Alarms* alarms_;
  std::move_only_function<void()> go_on_;  // while it waits
};

}  // namespace sallyport::net
