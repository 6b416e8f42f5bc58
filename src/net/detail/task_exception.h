// What becomes of an exception that leaves a task.
#pragma once

#include <exception>
#include <string>

namespace sallyport::net {

void log_task_exception(const std::string& name, const std::exception_ptr& exception);

}  // namespace sallyport::net
