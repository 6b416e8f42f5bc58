#include <algorithm>

#include "codec/tlv.h"
#include "records/audit_record.h"
#include "records/device_record.h"
#include "records/site_record.h"
#include "records/user_record.h"

namespace sallyport::records {
namespace {

constexpr std::string_view kLocalCaPrefix = "local-ca/";
constexpr std::size_t kMaxLoginLength = 64;

bool is_login_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("._@+-").find(c) != std::string_view::npos;
}

}  // namespace

CaName local_ca_name(std::string_view site) {
  return CaName(std::string(kLocalCaPrefix) + std::string(site));
}

std::optional<std::string> site_of(const CaName& ca) {
  if (!ca.get().starts_with(kLocalCaPrefix)) return std::nullopt;
  return ca.get().substr(kLocalCaPrefix.size());
}

CaName older_ca_name(std::string_view ca, std::string_view serial_hex) {
  return CaName(fmt::format("{}@{}", ca, serial_hex));
}

bool is_older(const CaName& ca) {
  return ca.get().contains('@');
}

CaName base_name(const CaName& ca) {
  return CaName(ca.get().substr(0, ca.get().find('@')));
}

std::string_view to_string(DeviceState state) {
  switch (state) {
    case DeviceState::manufactured:
      return "manufactured";
    case DeviceState::connected:
      return "connected";
    case DeviceState::claimed:
      return "claimed";
    case DeviceState::suspended:
      return "suspended";
    case DeviceState::revoked:
      return "revoked";
    case DeviceState::retired:
      return "retired";
  }
  return "unknown";
}

std::string_view to_string(SiteState state) {
  switch (state) {
    case SiteState::active:
      return "active";
    case SiteState::disabled:
      return "disabled";
    case SiteState::revoked:
      return "revoked";
    case SiteState::revoked_except:
      return "revoked-except";
  }
  return "unknown";
}

std::string_view to_string(UserRole role) {
  switch (role) {
    case UserRole::viewer:
      return "viewer";
    case UserRole::operator_:
      return "operator";
    case UserRole::owner:
      return "owner";
  }
  return "unknown";
}

Result<UserRole> parse_user_role(std::string_view text) {
  for (const UserRole role : {UserRole::viewer, UserRole::operator_, UserRole::owner}) {
    if (text == to_string(role)) return role;
  }
  return fail(Errc::malformed, "user role: found another word, want viewer, operator or owner");
}

Result<void> check_login_grammar(std::string_view login) {
  if (login.empty() || login.size() > kMaxLoginLength || !std::ranges::all_of(login, is_login_character)) {
    return failf(Errc::malformed, "login: {} characters, want 1 to {} of a-z 0-9 . _ @ + -", login.size(),
                 kMaxLoginLength);
  }
  return {};
}

Bytes audit_hash_input(const AuditEntry& entry) {
  Bytes fields = codec::TlvWriter()
                     .u64(1, entry.sequence)
                     .time(2, entry.time)
                     .text(3, entry.actor)
                     .text(4, entry.action)
                     .text(5, entry.subject)
                     .text(6, entry.detail)
                     .bytes(7, entry.previous)
                     .take();
  return codec::signing_input("audit", fields);
}

}  // namespace sallyport::records
