// Errors about the values of options name the option.
#pragma once

#include <string_view>
#include <utility>

#include "base/result.h"

namespace sallyport::cli {

// What was read of the value of `option` ("--listen"), or why it could not be, with the option before it.
template <class T>
Result<T> of_option(std::string_view option, Result<T> read) {
  if (!read) return std::unexpected(std::move(read).error().at(option));
  return read;
}

}  // namespace sallyport::cli
