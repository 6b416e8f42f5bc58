// Logins of people: passwords checked, sessions drawn, found and ended. The sessions themselves are the authority's
// records; a cookie's value exists in the browser alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "codec/json.h"
#include "console/login_limits.h"
#include "records/role_messages.h"
#include "records/user_record.h"
#include "rolelink/role_link.h"

namespace sallyport::console {

inline constexpr seconds kSessionLife{12 * 3'600};
inline constexpr seconds kStepUpLife{300};
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
  // A look at whether the session lives is no use of it (kLoginIdleLimit of the authority).
  enum class Purpose : std::uint8_t { use, look };
  net::Task<Result<Session>> find(records::Digest token_sha256, Purpose purpose);
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
  // The hash that the password was found to be right by, for the authority to compare with the one it has when it acts
  // on this: a password may be changed meanwhile.
  net::Task<Result<std::string>> check_password(std::string login, std::string password, std::string source);
  // The same without counting.
  net::Task<Result<std::string>> compare_password(std::string login, std::string password, std::string source);
  enum class Drawn : std::uint8_t { new_login, same_login };
  // Keeps a session under a new id. Refused when the user's password is not that of `password_hash` any more.
  net::Task<Result<LoggedIn>> draw_session(Session session, Drawn drawn, std::string password_hash, std::string source);
  void remember_step_up(const records::Digest& token);

  const Clock& clock_;
  Random& random_;
  rolelink::RoleLink& link_;
  std::string decoy_hash_;  // what an unknown login's password is checked against
  LoginLimits limits_;
  std::map<records::Digest, Instant> stepped_up_;
};

}  // namespace sallyport::console
