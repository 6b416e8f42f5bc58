// How a wait ends when the group of its task was ended (net/task_group.h).
#pragma once

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

namespace sallyport::net {

inline bool is_ended(const boost::asio::cancellation_state& state) {
  return state.cancelled() != boost::asio::cancellation_type::none;
}

// Leaves the task by the exception that TaskGroup takes, unless it `may_leave` not; else a wait that was cut short
// would look like one whose deadline passed, and its caller would go on. For what a coroutine knows of itself:
//   leave_if_ended(co_await asio::this_coro::cancellation_state, co_await asio::this_coro::throw_if_cancelled());
inline void leave_if_ended(const boost::asio::cancellation_state& state, bool may_leave) {
  if (may_leave && is_ended(state)) throw boost::system::system_error(boost::asio::error::operation_aborted);
}

}  // namespace sallyport::net
