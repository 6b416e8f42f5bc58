#include "net/run.h"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <exception>

#include "net/detail/leave.h"
#include "net/task_group.h"
#include "net/timer.h"

namespace sallyport::net {

namespace asio = boost::asio;

namespace {

// Raises an event when it goes, however that happens.
struct RaiseAtEnd {
  std::shared_ptr<Event> event;
  explicit RaiseAtEnd(std::shared_ptr<Event> at_end) : event(std::move(at_end)) {}
  RaiseAtEnd(const RaiseAtEnd&) = delete;
  RaiseAtEnd& operator=(const RaiseAtEnd&) = delete;
  ~RaiseAtEnd() { event->set(); }
};

Task<void> run_and_raise(Task<void> task, std::shared_ptr<Event> ended) {
  const RaiseAtEnd raise(std::move(ended));
  co_await std::move(task);
}

struct StopAtEnd {
  Io& io;
  explicit StopAtEnd(Io& stopped) : io(stopped) {}
  StopAtEnd(const StopAtEnd&) = delete;
  StopAtEnd& operator=(const StopAtEnd&) = delete;
  ~StopAtEnd() { io.stop(); }
};

Task<void> run_and_stop(Task<void> task, Io& io) {
  const StopAtEnd stop(io);
  co_await std::move(task);
}

}  // namespace

Task<void> join(Task<void> first, Task<void> second) {
  auto executor = co_await current_executor();
  auto ended = std::make_shared<Event>(executor);
  TaskGroup beside(executor);
  beside.spawn(run_and_raise(std::move(second), ended), "net.join");
  std::exception_ptr thrown;
  try {
    co_await std::move(first);
  } catch (...) {
    thrown = std::current_exception();
  }
  // The second may refer to what the caller owns, so it ends before anything leaves here, also when the caller's group
  // is ended: then it is ended too.
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!ended->is_set()) {
    if (is_ended(co_await asio::this_coro::cancellation_state)) beside.end();
    static_cast<void>(co_await ended->wait(Deadline::never()));
  }
  co_await asio::this_coro::throw_if_cancelled(true);
  if (thrown) std::rethrow_exception(thrown);
}

Task<void> yield() {
  auto executor = co_await current_executor();
  co_await asio::post(executor, asio::use_awaitable);
}

void run(Io& io, Task<void> task) {
  io.restart();
  spawn(io.executor(), run_and_stop(std::move(task), io), "net.run");
  io.run();
}

void ignore_sigpipe() {
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace sallyport::net
