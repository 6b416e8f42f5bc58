#include "agent/ready_connections.h"

#include <algorithm>

#include "agent/data_dialer.h"
#include "base/log.h"

namespace sallyport::agent {

ReadyConnections::ReadyConnections(net::TaskGroup& tasks, const DeviceTime& time, std::size_t most, Source source)
    : tasks_(tasks),
      time_(time),
      most_(most),
      source_(std::move(source)),
      budget_(kReadyBurst, kReadyPerSecond),
      dialled_(tasks.executor()) {}

void ReadyConnections::user_came(bool was_ready) {
  if (closed_) return;
  last_user_ = time_.monotonic();
  if (!was_ready) wanted_ = std::min(most_, std::max<std::size_t>(1, 2 * wanted_));
  if (!std::exchange(refills_, true)) tasks_.spawn(refill_later(shared_from_this()), "agent.ready-refill");
  if (!std::exchange(keeps_, true)) tasks_.spawn(keep(shared_from_this()), "agent.ready-connections");
}

net::Task<net::StreamPtr> ReadyConnections::take(std::shared_ptr<ReadyConnections> self, tunnel::Ticket ticket) {
  const net::Deadline deadline(kDataDialLimit);
  while (self->dialling_.contains(ticket) && !deadline.passed()) {
    self->dialled_.clear();
    static_cast<void>(co_await self->dialled_.wait(deadline));
  }
  auto node = self->ready_.extract(ticket);
  // His first bytes may have come before his OPEN.
  if (node.empty() || net::look_at_unread(*node.mapped()) == net::Unread::end) co_return nullptr;
  co_return std::move(node.mapped());
}

void ReadyConnections::close() {
  closed_ = true;
  for (const auto& [ticket, stream] : ready_) stream->close();
  ready_.clear();
}

void ReadyConnections::refill() {
  while (!closed_ && ready_.size() + dialling_.size() < wanted_ && budget_.take(time_.monotonic())) {
    const auto ticket = source_.take_ticket();
    if (!ticket) return;
    dialling_.insert(*ticket);
    tasks_.spawn(dial(shared_from_this(), *ticket), "agent.ready-dial");
  }
}

net::Task<void> ReadyConnections::dial(std::shared_ptr<ReadyConnections> self, tunnel::Ticket ticket) {
  auto stream = co_await self->source_.dial(ticket);
  self->dialling_.erase(ticket);
  self->dialled_.set();
  if (self->closed_) co_return;
  if (stream && self->wanted_ == 0) {
    (*stream)->close();
    self->source_.lost(ticket);
  } else if (stream) {
    self->ready_.emplace(ticket, *std::move(stream));
  } else {
    // Users are served as before the first: nobody is made to wait for what does not work here.
    self->wanted_ = 0;
    self->source_.lost(ticket);
    log::debug("agent.ready-connection-failed", {{"error", stream.error()}});
  }
}

net::Task<void> ReadyConnections::refill_later(std::shared_ptr<ReadyConnections> self) {
  co_await net::sleep_for(kReadyRefillDelay);
  self->refills_ = false;
  self->refill();
}

void ReadyConnections::sweep() {
  const bool is_over = time_.monotonic() >= last_user_ + kReadyAfterUser;
  if (is_over) wanted_ = 0;
  for (auto entry = ready_.begin(); entry != ready_.end();) {
    if (!is_over && net::look_at_unread(*entry->second) != net::Unread::end) {
      ++entry;
      continue;
    }
    entry->second->close();
    source_.lost(entry->first);
    entry = ready_.erase(entry);
  }
  refill();
}

net::Task<void> ReadyConnections::keep(std::shared_ptr<ReadyConnections> self) {
  while (!self->closed_ && (self->wanted_ > 0 || !self->ready_.empty())) {
    co_await net::sleep_for(kReadySweep);
    if (!self->closed_) self->sweep();
  }
  self->keeps_ = false;
}

}  // namespace sallyport::agent
