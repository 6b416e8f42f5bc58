#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace sallyport {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::malformed:
      return "malformed";
    case Errc::unauthorized:
      return "unauthorized";
    case Errc::not_found:
      return "not-found";
    case Errc::expired:
      return "expired";
    case Errc::conflict:
      return "conflict";
    case Errc::overloaded:
      return "overloaded";
    case Errc::unavailable:
      return "unavailable";
    case Errc::not_yet:
      return "not-yet";
    case Errc::internal:
      return "internal";
  }
  return "unknown";
}

void abort_with(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
  std::abort();
}

}  // namespace sallyport
