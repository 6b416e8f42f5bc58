#include "tunnel/socks_connect.h"

namespace sallyport::tunnel {
namespace {

constexpr std::uint8_t kVersion = 5;
constexpr std::uint8_t kLoginVersion = 1;
constexpr std::uint8_t kConnect = 1;
constexpr std::uint8_t kReserved = 0;
constexpr std::uint8_t kSucceeded = 0;

// METHOD (RFC 1928 §3).
constexpr std::uint8_t kNoLogin = 0x00;
constexpr std::uint8_t kUserAndPassword = 0x02;
constexpr std::uint8_t kNoneOfThem = 0xFF;

// ATYP (RFC 1928 §5).
constexpr std::uint8_t kIpV4 = 1;
constexpr std::uint8_t kName = 3;
constexpr std::uint8_t kIpV6 = 4;

constexpr std::size_t kAnswerSize = 2;     // of the method, and of the login
constexpr std::size_t kReplyStart = 5;     // of a reply, up to the first octet of its address
constexpr std::size_t kBeforeAddress = 4;  // VER REP RSV ATYP
constexpr std::size_t kPortSize = 2;

// REP (RFC 1928 §6).
std::string_view reason_of(std::uint8_t reply) {
  switch (reply) {
    case 1:
      return "general failure";
    case 2:
      return "not allowed by its rules";
    case 3:
      return "network unreachable";
    case 4:
      return "host unreachable";
    case 5:
      return "connection refused";
    case 6:
      return "TTL expired";
    case 7:
      return "does not know CONNECT";
    case 8:
      return "does not know this type of address";
    default:
      return "for a reason that RFC 1928 does not name";
  }
}

bool has_length(std::size_t size) {
  return size > 0 && size <= kMaxSocksText;
}

void append_text(Bytes& out, ByteView text) {
  out.push_back(static_cast<std::uint8_t>(text.size()));
  append(out, text);
}

Result<Bytes> encode_request(const SocksTarget& target) {
  if (target.port == 0) return fail(Errc::malformed, "SOCKS target: port 0");
  Bytes out{kVersion, kConnect, kReserved};
  if (const auto* name = std::get_if<std::string>(&target.host)) {
    if (!has_length(name->size()))
      return failf(Errc::malformed, "SOCKS target: a name of {} bytes, want 1 to {}", name->size(), kMaxSocksText);
    out.push_back(kName);
    append_text(out, as_bytes(*name));
  } else if (const auto* v4 = std::get_if<SocksTarget::IpV4>(&target.host)) {
    out.push_back(kIpV4);
    append(out, *v4);
  } else {
    out.push_back(kIpV6);
    append(out, std::get<SocksTarget::IpV6>(target.host));
  }
  out.push_back(static_cast<std::uint8_t>(target.port >> 8U));
  out.push_back(static_cast<std::uint8_t>(target.port & 0xFFU));
  return out;
}

Result<SecretBytes> encode_login(const ProxyCredentials& credentials) {
  const ByteView password = credentials.password.expose();
  if (!has_length(credentials.user.size()) || !has_length(password.size()))
    return failf(Errc::malformed, "SOCKS login: want a user and a password of 1 to {} bytes", kMaxSocksText);
  Bytes out{kLoginVersion};
  out.reserve(3 + credentials.user.size() + password.size());  // no copy of the password is left behind
  append_text(out, as_bytes(credentials.user));
  append_text(out, password);
  return SecretBytes(std::move(out));
}

}  // namespace

Result<SocksConnect> SocksConnect::begin(const SocksTarget& target, const ProxyCredentials* credentials) {
  SocksConnect out;
  TRY(out.request_, encode_request(target));
  if (credentials == nullptr) {
    out.to_send_ = SecretBytes(Bytes{kVersion, 1, kNoLogin});
    return out;
  }
  TRY(out.login_, encode_login(*credentials));
  out.has_credentials_ = true;
  out.to_send_ = SecretBytes(Bytes{kVersion, 2, kNoLogin, kUserAndPassword});
  return out;
}

Result<bool> SocksConnect::on_bytes(ByteView bytes) {
  append(received_, bytes);
  TRY(const std::size_t read, read_answer());
  if (read == 0) return false;
  if (read != received_.size()) return fail(Errc::malformed, "bytes behind its answer, want silence");
  received_.clear();
  return awaited_ == Awaited::nothing;
}

Result<std::size_t> SocksConnect::read_answer() {
  if (received_.empty()) return 0;
  switch (awaited_) {
    case Awaited::method:
      return read_method();
    case Awaited::login:
      return read_login();
    case Awaited::reply:
      return read_reply();
    case Awaited::nothing:
      break;
  }
  return fail(Errc::malformed, "bytes before the tunnel was begun, want silence");
}

Result<std::size_t> SocksConnect::read_method() {
  if (received_[0] != kVersion) return fail(Errc::malformed, "does not speak SOCKS 5");
  if (received_.size() < kAnswerSize) return 0;
  const std::uint8_t method = received_[1];
  if (method == kNoneOfThem && has_credentials_)
    return fail(Errc::unavailable, "takes neither a user name and password nor a client without a login");
  if (method == kNoneOfThem) return fail(Errc::unavailable, "wants a login, such as a user name and password");
  if (method == kUserAndPassword && has_credentials_) {
    to_send_ = std::exchange(login_, SecretBytes());
    awaited_ = Awaited::login;
    return kAnswerSize;
  }
  if (method != kNoLogin) return failf(Errc::malformed, "chose the login {}, which was not offered", method);
  to_send_ = SecretBytes(std::exchange(request_, Bytes()));
  awaited_ = Awaited::reply;
  return kAnswerSize;
}

Result<std::size_t> SocksConnect::read_login() {
  if (received_[0] != kLoginVersion) return fail(Errc::malformed, "answered a login with what is none of RFC 1929");
  if (received_.size() < kAnswerSize) return 0;
  if (received_[1] != kSucceeded) return fail(Errc::unavailable, "refused user name or password");
  to_send_ = SecretBytes(std::exchange(request_, Bytes()));
  awaited_ = Awaited::reply;
  return kAnswerSize;
}

// VER REP RSV ATYP BND.ADDR BND.PORT (RFC 1928 §6). A proxy that refuses may close behind its reason.
Result<std::size_t> SocksConnect::read_reply() {
  if (received_[0] != kVersion) return fail(Errc::malformed, "does not speak SOCKS 5");
  if (received_.size() < 2) return 0;
  const std::uint8_t reply = received_[1];
  if (reply != kSucceeded) return failf(Errc::unavailable, "answered {} to CONNECT: {}", reply, reason_of(reply));
  if (received_.size() < kReplyStart) return 0;
  if (received_[2] != kReserved) return fail(Errc::malformed, "a reply with a reserved octet that is not 0");
  std::size_t size = kBeforeAddress + kPortSize;
  switch (received_[3]) {
    case kIpV4:
      size += std::tuple_size_v<SocksTarget::IpV4>;
      break;
    case kIpV6:
      size += std::tuple_size_v<SocksTarget::IpV6>;
      break;
    case kName:
      size += 1 + std::size_t{received_[kBeforeAddress]};
      break;
    default:
      return failf(Errc::malformed, "a reply with an address of type {}, want 1, 3 or 4", received_[3]);
  }
  if (received_.size() < size) return 0;
  awaited_ = Awaited::nothing;
  return size;
}

}  // namespace sallyport::tunnel
