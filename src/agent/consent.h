// The device's own say before a user is let in: a command that somebody on the spot answers through.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/task.h"

namespace sallyport::agent {

inline constexpr milliseconds kConsentLimit{8'000};  // within the relay's patience with its user

// Runs `command` (an absolute path and its arguments, no shell) with the user and service in its environment. Consent
// is its exit status 0; anything else, or no answer within the limit, after which it is killed, is Errc::unauthorized.
net::Task<Result<void>> ask_consent(std::vector<std::string> command, std::string user, std::string service);

}  // namespace sallyport::agent
