#include "way.h"

#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "crypto/system_random.h"
#include "net/io.h"
#include "net/run.h"
#include "net/timer.h"
#include "rpcnode/callers.h"

namespace sallyport::library {
namespace {

constexpr std::size_t kMaxProgressKept = 1'024;  // of a call whose thread is busy with what came before
constexpr milliseconds kLeastTimeout{1};
constexpr std::size_t kMaxFaults = 16;  // after which the way is closed

// Who waits in another thread.
class Wait {
 public:
  void tell(std::string json) {
    const std::scoped_lock lock(mutex_);
    if (progress_.size() < kMaxProgressKept) progress_.push_back(std::move(json));
    changed_.notify_one();
  }
  void finish(Reply reply) {
    const std::scoped_lock lock(mutex_);
    if (!reply_) reply_ = std::move(reply);
    changed_.notify_one();
  }
  Reply wait(const std::function<void(const std::string&)>& on_progress) {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return reply_ || !progress_.empty(); });
      if (progress_.empty()) return *std::move(reply_);
      const std::string json = std::move(progress_.front());
      progress_.pop_front();
      lock.unlock();
      if (on_progress) on_progress(json);
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> progress_;
  std::optional<Reply> reply_;
};

// No signal comes to this thread, nor to one that it starts, for as long as this lives; then as before.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

// Ends the wait whatever becomes of the task.
class Promise {
 public:
  explicit Promise(std::shared_ptr<Wait> wait) : wait_(std::move(wait)) {}
  ~Promise() {
    if (wait_) wait_->finish(fail(Errc::internal, "call: the way is closed"));
  }
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&&) = delete;
  void keep(Reply reply) { std::exchange(wait_, nullptr)->finish(std::move(reply)); }

 private:
  std::shared_ptr<Wait> wait_;
};

}  // namespace

struct OpenWay::State {
  explicit State(Way to) : way(std::move(to)), tasks(io.executor()), settled(io.executor()), ready(io.executor()) {}

  Way way;
  const SystemClock clock;
  crypto::SystemRandom random;  // of the thread; callers' ids come from `ids`
  net::Io io;
  net::TaskGroup tasks;
  net::Event settled;  // a broker was reached, or could not be
  net::Event ready;    // there is somebody to call with
  std::unique_ptr<rpcnode::Callers> callers;
  std::shared_ptr<rpcnode::CallerTask> caller;
  std::string bundle_topic;
  std::uint64_t bundle_sequence = 0;
  std::vector<Bytes> chain;  // ours that calls since
  std::string bundle_fault;  // since a broker came or went

  std::mutex mutex;
  std::condition_variable left;
  crypto::SystemRandom ids;
  bool is_closing = false;
  std::size_t under_way = 0;
  std::thread thread;

  rpcnode::CallersHandlers handlers();
  const std::string& last_fault() const { return bundle_fault.empty() ? callers->last_fault() : bundle_fault; }
  void begin_with(sealed::Credential credential);
  void take_bundle(const Bytes& payload);
  void run_loop();
  void run_on(const std::function<void()>& work);
  bool enter(std::function<void()> work);
  void leave();
  static net::Task<void> run(State& self, Promise promise, Request request, std::shared_ptr<Wait> wait);
  net::Task<Reply> reply_to(Request request, std::shared_ptr<Wait> wait);
};

rpcnode::CallersHandlers OpenWay::State::handlers() {
  rpcnode::CallersHandlers out;
  out.on_broker = [this] {
    bundle_fault.clear();
    settled.set();
  };
  out.on_message = [this](const std::string& topic, const Bytes& payload) {
    if (topic == bundle_topic) take_bundle(payload);
  };
  return out;
}

void OpenWay::State::begin_with(sealed::Credential credential) {
  if (caller) return caller->core().set_credential(std::move(credential));
  caller = callers->make(way.node, std::move(credential));
  ready.set();
}

// A node renews its bundle each day, and our certificate is renewed as well.
void OpenWay::State::take_bundle(const Bytes& payload) {
  const auto identity = rpcnode::Identity::read(*way.identity);
  if (!identity) {
    bundle_fault = identity.error().detail;
    return;
  }
  const auto bundle = identity->open_bundle(payload, way.node, way.device, clock.now());
  if (!bundle) {
    bundle_fault = bundle.error().detail;
    return;
  }
  sealed::CertificateCredential credential = identity->credential(*bundle);
  if (bundle->sequence < bundle_sequence || (bundle->sequence == bundle_sequence && credential.chain == chain)) return;
  bundle_sequence = bundle->sequence;
  chain = credential.chain;
  begin_with(std::move(credential));
}

net::Task<Reply> OpenWay::State::reply_to(Request request, std::shared_ptr<Wait> wait) {
  const net::Deadline deadline(request.timeout);
  const std::uint64_t before = callers->connections();
  const bool was_connected = callers->connected() > 0;
  if (!was_connected && request.fail_on_disconnect) static_cast<void>(co_await settled.wait(deadline));
  if (const auto somebody = co_await ready.wait(deadline); !somebody) {
    co_return failf(callers->connected() > 0 ? Errc::expired : Errc::unavailable,
                    "call: no bundle of the node in time; {}", last_fault().empty() ? "none was sent" : last_fault());
  }
  const milliseconds left_for_it = std::max(deadline.remaining(), kLeastTimeout);
  rpcnode::CallChoices choices{.timeout = left_for_it,
                               .idempotent = request.idempotent,
                               .stored = request.stored,
                               .fail_on_disconnect = request.fail_on_disconnect,
                               .on_progress = [wait](std::string json) { wait->tell(std::move(json)); }};
  Reply reply = fail(Errc::internal, "call: not sent");
  if (request.json.empty()) {
    reply = co_await caller->ask_result(request.id, left_for_it);
  } else {
    reply = co_await caller->send(request.id, std::move(request.json), std::move(choices));
  }
  if (!reply && reply.error().code == Errc::expired && !was_connected && callers->connections() == before)
    reply = fail(Errc::unavailable, "call: no broker was reached, so it was not sent");
  const bool no_way = !reply && (reply.error().code == Errc::expired || reply.error().code == Errc::unavailable);
  if (no_way && !last_fault().empty()) reply.error().detail += "; " + last_fault();
  co_return reply;
}

net::Task<void> OpenWay::State::run(State& self, Promise promise, Request request, std::shared_ptr<Wait> wait) {
  promise.keep(co_await self.reply_to(std::move(request), std::move(wait)));
}

// What is posted before the end of the loop was asked for is run by it.
bool OpenWay::State::enter(std::function<void()> work) {
  const std::scoped_lock lock(mutex);
  if (is_closing) return false;
  ++under_way;
  io.post(std::move(work));
  return true;
}

void OpenWay::State::leave() {
  const std::scoped_lock lock(mutex);
  --under_way;
  left.notify_all();
}

// The thread. Its signals are blocked, so that a broker that closes raises no SIGPIPE, and the program's own handlers
// run where the program expects them.
// What is thrown in it is told and ends what threw alone, or after many the way: the program is not ours to end.
void OpenWay::State::run_loop() {
  run_on([this] { io.run(); });
  {
    const std::scoped_lock lock(mutex);
    is_closing = true;
  }
  io.restart();
  run_on([this] { net::run(io, callers->disconnect()); });
  io.restart();
  run_on([this] { net::run(io, tasks.stop()); });
}

void OpenWay::State::run_on(const std::function<void()>& work) {
  for (std::size_t faults = 0; faults < kMaxFaults; ++faults) {
    try {
      return work();
    } catch (const std::exception& fault) {  // memory may be out: nothing is made of it
      std::fputs("sallyport_rpc: library.fault: ", stderr);
      std::fputs(fault.what(), stderr);
      std::fputs("\n", stderr);
    } catch (...) {
      std::fputs("sallyport_rpc: library.fault\n", stderr);
    }
  }
}

Result<std::unique_ptr<OpenWay>> OpenWay::open(Way way) {
  std::unique_ptr<OpenWay> out(new OpenWay);
  auto made = std::make_unique<State>(std::move(way));
  State& state = *made;
  TRY(state.callers, rpcnode::Callers::open(state.tasks, state.clock, state.random, state.way.prefix, state.way.brokers,
                                            state.handlers()));
  if (state.way.key) {
    state.begin_with(sealed::KeyCredential{.key = sealed::derive_node_key(state.way.key->secret, state.way.node)});
  } else {
    state.bundle_topic = sealed::bundle_topic(state.way.prefix, state.way.node);
    TRY_VOID(state.callers->subscribe(state.bundle_topic));
  }
  const SignalsBlocked blocked;  // there may be no thread to be had
  state.thread = std::thread(&State::run_loop, &state);
  out->state_ = std::move(made);
  return out;
}

void OpenWay::close() {
  State& state = *state_;
  {
    const std::scoped_lock lock(state.mutex);
    state.is_closing = true;
  }
  // The loop's tasks end within it, each with what it promised.
  state.io.stop();
  if (state.thread.joinable()) state.thread.join();
}

OpenWay::~OpenWay() {
  if (!state_) return;
  close();
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  state.left.wait(lock, [&] { return state.under_way == 0; });
}

// Who has entered leaves.
class OpenWay::Leaving {
 public:
  explicit Leaving(State& state) : state_(state) {}
  ~Leaving() { state_.leave(); }
  Leaving(const Leaving&) = delete;
  Leaving& operator=(const Leaving&) = delete;

 private:
  State& state_;
};

Reply OpenWay::run(Request request, const std::function<void(const std::string& json)>& on_progress) {
  State& state = *state_;
  const auto wait = std::make_shared<Wait>();
  const auto promise = std::make_shared<Promise>(wait);
  const bool entered = state.enter([&state, wait, promise, request = std::move(request)] {
    state.tasks.spawn(State::run(state, std::move(*promise), request, wait), "library.call");
  });
  if (!entered) return fail(Errc::internal, "call: the way is closed");
  const Leaving leaving(state);  // also where what is told of progress throws
  return wait->wait(on_progress);
}

UnixTime OpenWay::now() const {
  return state_->clock.now();
}

sealed::CallId OpenWay::draw_call_id() {
  const std::scoped_lock lock(state_->mutex);
  return sealed::draw_call_id(state_->clock.now(), state_->ids);
}

}  // namespace sallyport::library
