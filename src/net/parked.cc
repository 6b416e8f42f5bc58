#include "net/detail/parked.h"

#include <boost/asio/post.hpp>

namespace sallyport::net {

void Parked::park(std::move_only_function<void()> go_on, Deadline deadline) {
  go_on_ = std::move(go_on);
  alarms_->set(*this, deadline);
}

void Parked::wake() {
  if (!go_on_) return;
  auto go_on = std::exchange(go_on_, nullptr);
  boost::asio::post(executor_, std::move(go_on));
  alarms_->clear(*this);  // after the post, so that the loop stays
}

void Parked::resume() {
  auto go_on = std::exchange(go_on_, nullptr);
  alarms_->clear(*this);
  go_on();
}

void Parked::on_loop_end() {
  // It holds the coroutine, and this with it.
  const auto gone = std::exchange(go_on_, nullptr);
}

}  // namespace sallyport::net
