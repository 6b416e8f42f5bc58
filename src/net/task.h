// A coroutine of this program: a named function that returns Task<T>.
#pragma once

#include <boost/asio/awaitable.hpp>

namespace sallyport::net {

// Runs on the event loop it was started on (net/io.h); starts when it is awaited or spawned. Parameters are taken by
// value, or refer to objects that outlive the task.
template <class T>
using Task = boost::asio::awaitable<T>;

}  // namespace sallyport::net
