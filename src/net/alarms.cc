#include "net/detail/alarms.h"

#include <boost/asio/query.hpp>

namespace sallyport::net {

namespace asio = boost::asio;

namespace {

TimerWheel::Tick ticks_in(std::chrono::steady_clock::duration time) {
  return time.count() <= 0 ? 0 : static_cast<TimerWheel::Tick>(time / kAlarmTick);
}

}  // namespace

asio::execution_context::id Alarms::id;

Alarms::Alarms(asio::execution_context& context)
    : asio::execution_context::service(context),
      executor_(static_cast<asio::io_context&>(context).get_executor()),  // all loops are of net/io.h
      timer_(executor_) {}

Alarms& Alarms::of(const Executor& executor) {
  return asio::use_service<Alarms>(asio::query(executor, asio::execution::context));
}

TimerWheel::Tick Alarms::passed_ticks() const {
  return ticks_in(SteadyClock::now() - began_);
}

void Alarms::set(Alarm& alarm, Deadline deadline) {
  if (waiting_++ == 0) work_.emplace(executor_);
  if (deadline.is_never()) return undated_.append(alarm);
  // The first whole tick that does not lie before the deadline.
  const auto wait = deadline.at() - began_;
  const TimerWheel::Tick at = ticks_in(wait) + (wait.count() > 0 && wait % kAlarmTick != wait.zero() ? 1 : 0);
  wheel_.add(alarm, at);
  wake_by(began_ + at * kAlarmTick);
}

void Alarms::clear(Alarm& alarm) {
  if (alarm.is_alone()) return;
  alarm.leave();
  left();
}

void Alarms::left() {
  if (--waiting_ > 0) return;
  work_.reset();
  // Or the loop would stay for it.
  if (timer_ && armed_for_) timer_->cancel();
  armed_for_.reset();
}

void Alarms::wake_by(SteadyClock::time_point at) {
  if (!timer_ || (armed_for_ && *armed_for_ <= at)) return;
  armed_for_ = at;
  timer_->expires_at(at);
  timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error) on_timer();
  });
}

void Alarms::wake_by_next() {
  if (const auto next = wheel_.next()) wake_by(began_ + *next * kAlarmTick);
}

void Alarms::on_timer() {
  // One that was cancelled when it had come already. Another is under way.
  if (!armed_for_ || SteadyClock::now() < *armed_for_) return;
  armed_for_.reset();
  wheel_.advance(passed_ticks());
  while (auto* const entry = wheel_.take_due()) {
    auto& alarm = static_cast<Alarm&>(*entry);
    left();
    alarm.on_deadline();
  }
  wake_by_next();
}

void Alarms::shutdown() {
  timer_.reset();
  work_.reset();
  for (;;) {
    Link* const link = undated_.is_alone() ? wheel_.take_any() : &undated_.first();
    if (link == nullptr) return;
    link->leave();
    static_cast<Alarm*>(static_cast<TimerWheel::Entry*>(link))->on_loop_end();
  }
}

}  // namespace sallyport::net
