#include "net/task_group.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <list>
#include <vector>

#include "net/detail/task_exception.h"
#include "net/timer.h"

namespace sallyport::net {

namespace asio = boost::asio;

namespace {

// What ends a task of a group that was ended.
bool is_cancellation(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const boost::system::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

}  // namespace

struct TaskGroup::State {
  explicit State(Executor on) : executor(std::move(on)), changed(executor) {}

  Executor executor;
  std::list<std::shared_ptr<asio::cancellation_signal>> tasks;
  Event changed;  // one has gone
  bool ended = false;

  // Within the loop: asio hands a signal that is raised elsewhere over to it by a bare pointer, which the task's own
  // end would leave behind.
  static void end(const std::shared_ptr<State>& self) {
    self->ended = true;
    asio::dispatch(self->executor, [self] { self->wake_all(); });
  }

  void wake_all() {
    // A task that is woken may end, and its entry with it.
    const std::vector woken(tasks.begin(), tasks.end());
    for (const auto& each : woken) each->emit(asio::cancellation_type::terminal);
  }
};

TaskGroup::TaskGroup(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(Task<void> task, std::string_view name) {
  if (state_->ended) return;
  const auto signal = std::make_shared<asio::cancellation_signal>();
  state_->tasks.push_back(signal);
  const auto entry = std::prev(state_->tasks.end());
  asio::co_spawn(
      state_->executor, std::move(task),
      asio::bind_cancellation_slot(signal->slot(), [state = state_, signal, entry,
                                                    label = std::string(name)](const std::exception_ptr& exception) {
        if (exception && !(state->ended && is_cancellation(exception))) log_task_exception(label, exception);
        state->tasks.erase(entry);
        state->changed.set();
      }));
}

void TaskGroup::end() {
  State::end(state_);
}

Task<void> TaskGroup::stop() {
  State::end(state_);
  return wait_until_empty(state_);
}

Task<void> TaskGroup::until_empty() {
  return wait_until_empty(state_);
}

Task<void> TaskGroup::wait_until_empty(std::shared_ptr<State> state) {
  while (!state->tasks.empty()) {
    static_cast<void>(co_await state->changed.wait(Deadline::never()));
    state->changed.clear();
  }
}

std::size_t TaskGroup::size() const {
  return state_->tasks.size();
}

const Executor& TaskGroup::executor() const {
  return state_->executor;
}

}  // namespace sallyport::net
