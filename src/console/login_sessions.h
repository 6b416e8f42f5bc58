// Logins of people: passwords checked, sessions drawn, found and ended. The sessions themselves are the authority's
// records; a cookie's value exists in the browser alone.
#pragma once

#include <map>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "codec/json.h"
#include "records/role_messages.h"
#include "records/user_record.h"
#include "rolelink/role_link.h"

namespace sallyport::console {

inline constexpr seconds kSessionLife{12 * 3'600};
inline constexpr seconds kStepUpLife{300};
inline constexpr std::size_t kLoginTries = 10;  // failed ones per account and per source within kLoginWindow
inline constexpr seconds kLoginWindow{900};
inline constexpr std::size_t kMaxRemembered = 100'000;
inline constexpr std::size_t kMaxPasswordChecks =
    64;  // waiting for a core; each takes kPasswordMemoryKiB when it has one
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
  net::Task<Result<codec::Json>> check_password(std::string login, std::string password, std::string source);
  // Keeps a session under a new id.
  net::Task<Result<LoggedIn>> draw_session(Session session, std::string source);
  Result<void> take_try(const std::string& key);
  void remember_step_up(const records::Digest& token);
  void count_failure(const std::string& key);

  const Clock& clock_;
  Random& random_;
  rolelink::RoleLink& link_;
  std::string decoy_hash_;  // what an unknown login's password is checked against
  std::map<std::string, std::vector<Instant>> failures_;
  std::map<records::Digest, Instant> stepped_up_;
  std::size_t checks_ = 0;
};

}  // namespace sallyport::console
