// A coroutine of this program: a named function that returns Task<T>.
#pragma once

#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace sallyport::net {

// Where coroutines run: the loop of net/io.h. Cheap to copy; must not outlive the loop.
using Executor = boost::asio::any_io_executor;

// Runs on the event loop it was started on; starts when it is awaited or spawned. Parameters are taken by value, or
// refer to objects that outlive the task.
template <class T>
using Task = boost::asio::awaitable<T>;

// Starts `task` on `executor`. An exception that leaves it is logged with `name` and ends that task alone.
void spawn(Executor executor, Task<void> task, std::string_view name);

// The executor of the coroutine that awaits this.
Task<Executor> current_executor();

}  // namespace sallyport::net
