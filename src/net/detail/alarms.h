// The deadlines of everything that waits on one loop.
#pragma once

#include <boost/asio/execution_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <optional>

#include "net/deadline.h"
#include "net/detail/timer_wheel.h"
#include "net/task.h"

namespace sallyport::net {

// What waits, in its own frame. Cleared before it ends.
class Alarm : public TimerWheel::Entry {
 public:
  // Its deadline has passed: it is no longer set. Called by the loop itself. May set and clear alarms, not resume a
  // coroutine.
  virtual void on_deadline() = 0;
  // The loop is going: it lets go of what keeps its coroutine, and with it perhaps of itself.
  virtual void on_loop_end() = 0;

 protected:
  Alarm() = default;
  ~Alarm() = default;
};

// One timer wheel per loop, with one timer of the loop below it: a wait costs neither memory nor a call. No alarm rings
// before its deadline, and where the loop is free none later than kAlarmTick after it. Waiting alarms, also those
// without a deadline, keep the loop running as a wait of Asio's does. Not thread-safe.
class Alarms final : public boost::asio::execution_context::service {
 public:
  using key_type = Alarms;
  static boost::asio::execution_context::id id;

  explicit Alarms(boost::asio::execution_context& context);

  // Those of the loop that `executor` is of; stay as long as it.
  static Alarms& of(const Executor& executor);

  // `alarm` must not be set.
  void set(Alarm& alarm, Deadline deadline);
  // Also for one that is not set.
  void clear(Alarm& alarm);

 private:
  using SteadyClock = std::chrono::steady_clock;

  void shutdown() override;
  TimerWheel::Tick passed_ticks() const;
  // Has the loop call on_timer() by then, if it would not before.
  void wake_by(SteadyClock::time_point at);
  void wake_by_next();
  void on_timer();
  void left();

  const boost::asio::io_context::executor_type executor_;
  const SteadyClock::time_point began_ = SteadyClock::now();
  TimerWheel wheel_;
  Link undated_;  // those that wait without a deadline
  std::size_t waiting_ = 0;
  std::optional<boost::asio::steady_timer> timer_;  // until shutdown()
  std::optional<SteadyClock::time_point> armed_for_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
};

inline constexpr milliseconds kAlarmTick{1};

}  // namespace sallyport::net
