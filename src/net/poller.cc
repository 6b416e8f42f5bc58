#include "net/detail/poller.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/query.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <span>

#include "base/result.h"

namespace sallyport::net {

namespace asio = boost::asio;

namespace {

constexpr std::uint32_t kEnds = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
// Not EPOLLPRI, which lasts until somebody reads past the urgent bytes: who only peeks would be told for ever. What is
// readable beside them is EPOLLIN.
constexpr std::uint32_t kReadable = EPOLLIN | kEnds;
constexpr std::uint32_t kWritable = EPOLLOUT | EPOLLHUP | EPOLLERR;

int make_set() {
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) throw boost::system::system_error(errno, boost::system::system_category(), "epoll");
  return set;
}

}  // namespace

Watcher::~Watcher() {
  if (watched_ != nullptr) watched_->forget(*this);
}

PolledDescriptor::PolledDescriptor(const Executor& executor, Descriptor descriptor)
    : poller_(&Poller::of(executor)), descriptor_(std::move(descriptor)) {
  poller_->quiet_.append(*this);
  if (!poller_->change(EPOLL_CTL_ADD, *this)) descriptor_.close();
}

PolledDescriptor::~PolledDescriptor() {
  close();
}

// Whether the set does not know yet that somebody wants to write.
bool PolledDescriptor::append(Watcher& watcher, Direction direction) {
  SALLYPORT_CHECK(watcher.watched_ == nullptr && is_open());
  watcher.watched_ = this;
  watcher.direction_ = direction;
  watcher.is_woken_ = false;
  watchers_.append(watcher);
  poller_->began();
  const bool is_new_interest = direction == Direction::write && !has_write_interest_;
  has_write_interest_ = has_write_interest_ || is_new_interest;
  return is_new_interest;
}

void PolledDescriptor::watch(Watcher& watcher, Direction direction) {
  if (append(watcher, direction) || known_of(direction) == Known::ready) ask();
}

void PolledDescriptor::watch_for_news(Watcher& watcher, Direction direction) {
  if (append(watcher, direction)) ask();
}

void PolledDescriptor::set_blocking(Direction direction) {
  // The end may have been told together with bytes that were taken since: it is not told again. A read ends at the mark
  // of urgent bytes (tcp(7)), whatever comes after it.
  if (direction == Direction::read && (has_hung_up_ || has_urgent_bytes_)) return;
  known_of(direction) = Known::blocking;
}

// Has the set tell what is so already. It fails only where there is no such descriptor, which an operation has told
// then.
void PolledDescriptor::ask() {
  reading_ = writing_ = Known::nothing;
  poller_->change(EPOLL_CTL_MOD, *this);
}

void PolledDescriptor::forget(Watcher& watcher) {
  watcher.watched_ = nullptr;
  watcher.leave();
  poller_->ended();
}

void PolledDescriptor::note(std::uint32_t events) {
  if ((events & kReadable) != 0) reading_ = Known::ready;
  if ((events & kWritable) != 0) writing_ = Known::ready;
  has_hung_up_ = has_hung_up_ || (events & kEnds) != 0;
  has_urgent_bytes_ = has_urgent_bytes_ || (events & EPOLLPRI) != 0;
  bool wakes = false;
  for (Link* link = &watchers_.first(); link != &watchers_; link = &link->next()) {
    auto& watcher = static_cast<Watcher&>(*link);
    watcher.is_woken_ =
        watcher.is_woken_ || (events & (watcher.direction_ == Direction::read ? kReadable : kWritable)) != 0;
    wakes = wakes || watcher.is_woken_;
  }
  if (!wakes) return;
  leave();
  poller_->woken_.append(*this);
}

Watcher* PolledDescriptor::take_woken() {
  for (Link* link = &watchers_.first(); link != &watchers_; link = &link->next()) {
    auto& watcher = static_cast<Watcher&>(*link);
    if (!watcher.is_woken_) continue;
    forget(watcher);
    return &watcher;
  }
  return nullptr;
}

void PolledDescriptor::drop_watchers() {
  while (!watchers_.is_alone()) {
    auto& watcher = static_cast<Watcher&>(watchers_.first());
    forget(watcher);
    watcher.on_closed();
  }
}

void PolledDescriptor::close() {
  release().close();
}

Descriptor PolledDescriptor::release() {
  if (!is_open()) return {};
  // Before it is closed: a copy elsewhere would keep it in the set.
  poller_->change(EPOLL_CTL_DEL, *this);
  Descriptor released = std::move(descriptor_);
  drop_watchers();
  return released;
}

asio::execution_context::id Poller::id;

Poller::Poller(asio::execution_context& context)
    : asio::execution_context::service(context),
      set_(make_set()),
      in_loop_(std::in_place, static_cast<asio::io_context&>(context), set_) {}  // all loops are of net/io.h

Poller& Poller::of(const Executor& executor) {
  return asio::use_service<Poller>(asio::query(executor, asio::execution::context));
}

bool Poller::change(int operation, PolledDescriptor& descriptor) const {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET;
  if (descriptor.has_write_interest_) event.events |= EPOLLOUT;
  event.data.ptr = &descriptor;
  return ::epoll_ctl(set_, operation, descriptor.get(), &event) == 0;
}

void Poller::began() {
  ++waiting_;
  if (!is_looking_) wait_for_set();
}

void Poller::ended() {
  if (--waiting_ > 0 || is_looking_ || !in_loop_) return;
  // Or the loop would stay for it.
  boost::system::error_code ignored;
  in_loop_->cancel(ignored);
}

void Poller::wait_for_set() {
  if (is_awaited_ || waiting_ == 0 || !in_loop_) return;
  in_loop_->async_wait(asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code& error) {
    is_awaited_ = false;
    if (error) return wait_for_set();
    look();
  });
  is_awaited_ = true;
}

// Ends a look, also one in which somebody who was told threw.
struct Poller::Looking {
  explicit Looking(Poller& looks) : poller(looks) { poller.is_looking_ = true; }
  ~Looking() {
    poller.is_looking_ = false;
    poller.tell_later();
    poller.wait_for_set();
  }
  Looking(const Looking&) = delete;
  Looking& operator=(const Looking&) = delete;
  Poller& poller;
};

// Has the set tell once more of what nobody was told of.
void Poller::tell_later() {
  while (!woken_.is_alone()) {
    auto& descriptor = static_cast<PolledDescriptor&>(woken_.first());
    descriptor.leave();
    quiet_.append(descriptor);
    descriptor.ask();
  }
}

// All that is told is noted before anybody is told of it: who is told may close what was told of as well.
void Poller::look() {
  const Looking looking(*this);
  std::array<epoll_event, kMaxEventsPerTurn> events;
  const int count = ::epoll_wait(set_, events.data(), static_cast<int>(events.size()), 0);
  for (const epoll_event& event : std::span(events).first(static_cast<std::size_t>(std::max(count, 0)))) {
    static_cast<PolledDescriptor*>(event.data.ptr)->note(event.events);
  }
  while (!woken_.is_alone()) {
    auto& descriptor = static_cast<PolledDescriptor&>(woken_.first());
    if (auto* const watcher = descriptor.take_woken()) {
      watcher->on_ready();
      continue;
    }
    descriptor.leave();
    quiet_.append(descriptor);
  }
}

void Poller::shutdown() {
  in_loop_.reset();
  set_ = -1;
  for (Link* const list : {&quiet_, &woken_}) {
    while (!list->is_alone()) {
      auto& descriptor = static_cast<PolledDescriptor&>(list->first());
      if (descriptor.watchers_.is_alone()) {
        descriptor.leave();
        continue;
      }
      auto& watcher = static_cast<Watcher&>(descriptor.watchers_.first());
      descriptor.forget(watcher);
      watcher.on_loop_end();
    }
  }
}

}  // namespace sallyport::net
