// People and their logins.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "records/certificate_record.h"

namespace sallyport::records {

// Each may do all that the one before may. DO NOT CHANGE THESE VALUES: they are stored.
enum class UserRole : std::uint8_t { viewer = 1, operator_ = 2, owner = 3 };
std::string_view to_string(UserRole role);
Result<UserRole> parse_user_role(std::string_view text);

struct UserRecord {
  std::string login;  // 1 to 64 characters of a-z 0-9 . _ @ + -
  std::string tenant;
  UserRole role = UserRole::viewer;
  std::string password_hash;  // argon2id, PHC string format
  bool enabled = true;
  UnixTime created;
};
Result<void> check_login_grammar(std::string_view login);

struct LoginSessionRecord {
  Digest token_sha256{};  // the cookie itself is nowhere stored
  std::string login;
  Bytes csrf_token;  // 32 bytes
  UnixTime created;
  UnixTime expires;  // absolute
  UnixTime last_used;
};

class UserDirectory {
 public:
  virtual ~UserDirectory() = default;
  virtual Result<void> add(const UserRecord& user) = 0;     // Errc::conflict when the login is taken
  virtual Result<void> update(const UserRecord& user) = 0;  // Errc::not_found without one
  virtual Result<std::optional<UserRecord>> find(std::string_view login) const = 0;
  virtual Result<std::vector<UserRecord>> list() const = 0;

  virtual Result<void> put_login_session(const LoginSessionRecord& session) = 0;
  virtual Result<std::optional<LoginSessionRecord>> find_login_session(const Digest& token_sha256) const = 0;
  // At most `limit` of those that expire until `expired_by` or were last used until `unused_since`.
  virtual Result<std::vector<LoginSessionRecord>> list_login_sessions(UnixTime expired_by, UnixTime unused_since,
                                                                      std::size_t limit) const = 0;
  virtual Result<void> end_login_session(const Digest& token_sha256) = 0;
  // Ends every session of `login`.
  virtual Result<void> end_login_sessions(std::string_view login) = 0;
};

}  // namespace sallyport::records
