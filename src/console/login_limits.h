// How many passwords may be tried, and checked at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/admissions.h"
#include "net/known_sources.h"

namespace sallyport::console {

// Failed ones within kLoginWindow, those under way counted too.
inline constexpr std::size_t kLoginTries = 10;   // per account and source
inline constexpr std::size_t kSourceTries = 50;  // per source, whatever the account: several people share an address
inline constexpr seconds kLoginWindow{900};
inline constexpr std::size_t kMaxRemembered = 100'000;
// Waiting for a core, or having one; each takes kPasswordMemoryKiB then.
inline constexpr std::size_t kMaxPasswordChecks = 64;
inline constexpr std::size_t kMaxPasswordChecksPerSource = 16;
// Beside these, for sources from which somebody logged in within kKnownSourceLife.
inline constexpr std::size_t kMaxKnownChecks = 16;
inline constexpr std::size_t kMaxKnownChecksPerSource = 4;
inline constexpr seconds kKnownSourceLife = 30 * kDay;
inline constexpr std::size_t kMaxKnownSources = 10'000;

// Addresses count by their source (net::source_of). One thread. Borrows the clock for its lifetime.
class LoginLimits {
 public:
  explicit LoginLimits(const Clock& clock) : clock_(clock) {}

  // Counts a try before it is made, so that tries side by side do not pass a limit together. Errc::overloaded
  // ("too-many-requests: …") beyond one; then nothing was counted, and ended() must not follow.
  Result<void> begin(const std::string& login, const std::string& address);
  enum class Outcome : std::uint8_t { right, wrong, unknown };
  // What became of it: a wrong one stays counted, a right one takes back all of its account and source.
  void ended(const std::string& login, const std::string& address, Outcome outcome);

  // A place to check one password; absent when there are too many. A flood from elsewhere takes none of the places
  // kept for sources that are known.
  std::optional<net::Admissions::Place> admit_check(const std::string& address);

 private:
  Result<void> take(const std::string& key, std::size_t most);
  void give_back(const std::string& key);

  const Clock& clock_;
  std::map<std::string, std::vector<Instant>> tries_;
  net::KnownSources known_{kMaxKnownSources, kKnownSourceLife};  // from where somebody logged in
  net::Admissions checks_{kMaxPasswordChecks, kMaxPasswordChecksPerSource};
  net::Admissions known_checks_{kMaxKnownChecks, kMaxKnownChecksPerSource};
};

}  // namespace sallyport::console
