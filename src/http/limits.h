// What one peer may cost.
#pragma once

#include <cstddef>

#include "base/time.h"

namespace sallyport::http {

inline constexpr std::size_t kMaxHeader = 16 * 1024;
inline constexpr std::size_t kMaxHeaderFields = 100;
inline constexpr std::size_t kDefaultRequestBody = 64 * 1024;
inline constexpr std::size_t kDefaultResponseBody = 1024 * 1024;
inline constexpr std::size_t kMaxOcspAnswer = 64 * 1024;
inline constexpr seconds kHeaderLimit{10};  // from the first byte of a request to the end of its header
inline constexpr seconds kBodyLimit{30};    // for a body that is collected whole
inline constexpr seconds kIdleLimit{60};    // between two requests
inline constexpr seconds kWriteLimit{30};   // for a response that was made whole
inline constexpr seconds kStreamIdle{300};  // without a byte in either direction of what is passed through

}  // namespace sallyport::http
