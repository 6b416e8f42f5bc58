// Logins of people: passwords checked, sessions drawn, found and ended. The sessions themselves are the authority's
// records; a cookie's value exists in the browser alone.
#pragma once

#include <map>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "codec/json.h"
#include "net/admissions.h"
#include "records/role_messages.h"
#include "records/user_record.h"
#include "rolelink/role_link.h"

namespace sallyport::console {

inline constexpr seconds kSessionLife{12 * 3'600};
inline constexpr seconds kStepUpLife{300};
// Failed ones within kLoginWindow, those under way counted too.
inline constexpr std::size_t kLoginTries = 10;   // per account and source
inline constexpr std::size_t kSourceTries = 50;  // per source, whatever the account: several people share an address
inline constexpr seconds kLoginWindow{900};
inline constexpr std::size_t kMaxRemembered = 100'000;
// Waiting for a core, or having one; each takes kPasswordMemoryKiB then.
inline constexpr std::size_t kMaxPasswordChecks = 64;
inline constexpr std::size_t kMaxPasswordChecksPerSource = 16;
inline constexpr std::string_view kCookie = "__Host-session";

struct Session {
  records::Digest token_sha256{};
  std::string login;
  records::UserRole role = records::UserRole::viewer;
  std::string tenant;
  std::string csrf;  // hexadecimal
  std::string created;
  std::string expires;
};

// One thread. Borrows all that it is given for its lifetime.
class LoginSessions {
 public:
  LoginSessions(const Clock& clock, Random& random, rolelink::RoleLink& link);

  struct LoggedIn {
    Session session;
    std::string cookie;  // its value
  };
  // One error, text and time for an unknown login, a wrong password and a disabled user ("login-refused"); after too
  // many failures "too-many-requests". A new session id at every login.
  net::Task<Result<LoggedIn>> log_in(std::string login, std::string password, std::string source);
  // The session of a cookie's value; "unauthenticated" otherwise.
  net::Task<Result<Session>> find(std::string cookie);
  net::Task<Result<Session>> find(records::Digest token_sha256);
  net::Task<Result<void>> log_out(Session session);
  // Checks the password again and lets dangerous acts pass for kStepUpLife.
  net::Task<Result<void>> step_up(Session session, std::string password, std::string source);
  bool is_stepped_up(const Session& session) const;
  // Ends every session of the user and draws this one anew, with the same CSRF token and end.
  net::Task<Result<LoggedIn>> change_password(Session session, std::string current, std::string next,
                                              std::string source);
  net::Task<Result<std::string>> hash(std::string password);

  // Calls a method of the administration interface as the console itself.
  net::Task<Result<codec::Json>> call(std::string method, codec::Json parameters, std::string source);

 private:
  net::Task<Result<void>> check_password(std::string login, std::string password, std::string source);
  // The same without counting.
  net::Task<Result<void>> compare_password(std::string login, std::string password, std::string source);
  // Keeps a session under a new id.
  net::Task<Result<LoggedIn>> draw_session(Session session, std::string source);
  // Counts a try before it is made, so that tries side by side do not pass a limit together.
  Result<void> take_try(const std::string& key, std::size_t most);
  void give_back(const std::string& key);
  void remember_step_up(const records::Digest& token);

  const Clock& clock_;
  Random& random_;
  rolelink::RoleLink& link_;
  std::string decoy_hash_;  // what an unknown login's password is checked against
  std::map<std::string, std::vector<Instant>> tries_;
  std::map<records::Digest, Instant> stepped_up_;
  net::Admissions checks_{kMaxPasswordChecks, kMaxPasswordChecksPerSource};
};

}  // namespace sallyport::console
