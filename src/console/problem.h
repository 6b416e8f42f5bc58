// Errors as the API tells them: RFC 9457 problem details of the types in docs/api/openapi.yaml.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace sallyport::console {

// `type` is one of the names of the API's description; an unknown one is a broken invariant. `detail` is for people.
http::Response problem(std::string_view type, std::string_view detail, std::string_view request_id);

// An error of the authority: a detail that begins with the name of a type and ": " becomes that type with the rest as
// its detail. Of any other its category alone is told, but for Errc::malformed, whose detail says what in the request
// is wrong.
http::Response problem_of(const Error& error, std::string_view request_id);

}  // namespace sallyport::console
