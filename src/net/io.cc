#include "net/io.h"

#include <exception>

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "net/detail/task_exception.h"

namespace sallyport::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBlockingThreads = 2;

asio::thread_pool& blocking_pool() {
  static auto& pool = *new asio::thread_pool(kBlockingThreads);
  return pool;
}

}  // namespace

void log_task_exception(const std::string& name, const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    log::error("task.failed", {{"task", name}, {"what", error.what()}});
  }
}

struct Io::State {
  asio::io_context context{1};
  std::unique_ptr<asio::signal_set> signals;
};

Io::Io() : state_(std::make_unique<State>()) {}
Io::~Io() = default;

void Io::run() {
  state_->context.run();
}

void Io::run_for(milliseconds limit) {
  state_->context.restart();
  state_->context.run_for(limit);
}

void Io::restart() {
  state_->context.restart();
}

void Io::stop() {
  state_->context.stop();
}

void Io::post(std::function<void()> work) {
  asio::post(state_->context, std::move(work));
}

void Io::on_termination(std::function<void()> work) {
  state_->signals = std::make_unique<asio::signal_set>(state_->context, SIGTERM, SIGINT);
  state_->signals->async_wait([work = std::move(work)](const boost::system::error_code& error, int) {
    if (!error) work();
  });
}

Executor Io::executor() {
  return state_->context.get_executor();
}

void spawn(Executor executor, Task<void> task, std::string_view name) {
  asio::co_spawn(std::move(executor), std::move(task),
                 [label = std::string(name)](const std::exception_ptr& exception) {
                   if (exception) log_task_exception(label, exception);
                 });
}

Task<Executor> current_executor() {
  co_return co_await asio::this_coro::executor;
}

namespace {

using ResultSignature = void(Result<void>);

// A coroutine that waits, with what keeps its loop running meanwhile.
template <class Handler>
struct Waiting {
  using Executor = asio::associated_executor_t<Handler>;
  explicit Waiting(Handler waiting)
      : handler(std::move(waiting)), executor(asio::get_associated_executor(handler)), work(executor) {}
  Handler handler;
  Executor executor;
  asio::executor_work_guard<Executor> work;
};

// Posts the completion to the loop that the waiting coroutine runs on. The callback holds nothing of the loop once it
// was called: its caller may keep it on another thread for longer than the loop lives.
struct StartCallback {
  template <class Handler>
  void operator()(Handler handler, std::function<void(std::function<void(Result<void>)>)> start) const {
    auto slot =
        std::make_shared<std::unique_ptr<Waiting<Handler>>>(std::make_unique<Waiting<Handler>>(std::move(handler)));
    start([slot](Result<void> result) {
      std::shared_ptr<Waiting<Handler>> waiting = std::move(*slot);
      SALLYPORT_CHECK(waiting != nullptr);
      const auto executor = waiting->executor;
      asio::post(executor, [waiting = std::move(waiting), outcome = std::move(result)]() mutable {
        const auto resumed = std::move(waiting);
        resumed->handler(std::move(outcome));
      });
    });
  }
};

// On another thread, where nobody would catch what is thrown.
Result<void> run_caught(const std::function<Result<void>()>& work) {
  try {
    return work();
  } catch (const std::exception& thrown) {
    return failf(Errc::internal, "{}", thrown.what());
  }
}

}  // namespace

Task<Result<void>> await_callback(std::function<void(std::function<void(Result<void>)>)> start) {
  return asio::async_initiate<const asio::use_awaitable_t<>, ResultSignature>(StartCallback{}, asio::use_awaitable,
                                                                              std::move(start));
}

Task<Result<void>> run_blocking(std::function<Result<void>()> work) {
  auto start = [work = std::move(work)](std::function<void(Result<void>)> done) mutable {
    asio::post(blocking_pool(), [work = std::move(work), done = std::move(done)] { done(run_caught(work)); });
  };
  co_return co_await await_callback(std::move(start));
}

}  // namespace sallyport::net
