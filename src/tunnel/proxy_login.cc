#include "tunnel/proxy_login.h"

#include <algorithm>

#include "codec/text.h"
#include "tunnel/detail/http_text.h"

namespace sallyport::tunnel {
namespace {

constexpr std::size_t kOwnNonceBytes = 16;

SecretBytes header_line(std::string_view scheme_and_space, std::string credentials) {
  Bytes out = to_bytes(std::string_view("Proxy-Authorization: "));
  out.reserve(out.size() + scheme_and_space.size() + credentials.size() + 2);
  append(out, as_bytes(scheme_and_space));
  append(out, as_bytes(credentials));
  append(out, as_bytes("\r\n"));
  wipe({reinterpret_cast<std::uint8_t*>(credentials.data()), credentials.size()});
  return SecretBytes(std::move(out));
}

SecretBytes encode_basic(const ProxyCredentials& credentials) {
  Bytes pair;
  pair.reserve(credentials.user.size() + 1 + credentials.password.size());
  append(pair, as_bytes(credentials.user));
  pair.push_back(':');
  append(pair, credentials.password.expose());
  std::string encoded = codec::encode_base64(pair);
  wipe(pair);
  return header_line("Basic ", std::move(encoded));
}

// Each scheme once.
std::string listed(const std::vector<AuthChallenge>& challenges) {
  std::string out;
  for (auto one = challenges.begin(); one != challenges.end(); ++one) {
    if (std::ranges::find(challenges.begin(), one, one->scheme, &AuthChallenge::scheme) != one) continue;
    out += (out.empty() ? "" : ", ") + one->scheme;
  }
  return out.empty() ? "no scheme that it names" : out;
}

}  // namespace

Result<void> check_proxy_credentials(const ProxyCredentials& credentials) {
  if (has_control(credentials.user) || has_control(as_text(credentials.password.expose())) ||
      credentials.user.contains(':'))
    return fail(Errc::malformed, "proxy credentials: a control character, or ':' in the user");
  return {};
}

ProxyLogin::Nonce& ProxyLogin::use_of(const std::string& nonce) {
  if (const auto known = std::ranges::find(nonces_, nonce, &Nonce::nonce); known != nonces_.end()) return *known;
  if (nonces_.size() == kMaxProxyNonces) nonces_.erase(nonces_.begin());
  nonces_.push_back({.nonce = nonce, .own = codec::encode_hex(random_.bytes(kOwnNonceBytes))});
  return nonces_.back();
}

Result<ShownLogin> ProxyLogin::show(std::string_view method, std::string_view uri) {
  if (credentials_ == nullptr) return ShownLogin();
  TRY_VOID(check_proxy_credentials(*credentials_));
  const bool is_unasked = scheme_ == LoginScheme::none && rule_ == LoginRule::basic_at_once;
  if (scheme_ == LoginScheme::basic || is_unasked)
    return ShownLogin{.line = encode_basic(*credentials_), .scheme = LoginScheme::basic, .nonce = {}};
  if (scheme_ == LoginScheme::none) return ShownLogin();
  Nonce& nonce = use_of(digest_.nonce);
  TRY(auto answer, encode_digest_answer(digest_, *credentials_,
                                        {.method = method, .uri = uri, .count = ++nonce.uses, .own_nonce = nonce.own}));
  return ShownLogin{.line = header_line("", std::move(answer)),
                    .scheme = scheme_,
                    .nonce = digest_.nonce,
                    .is_proven = nonce.is_proven};
}

void ProxyLogin::take_success(const ShownLogin& shown) {
  const auto known = std::ranges::find(nonces_, shown.nonce, &Nonce::nonce);
  if (shown.scheme == LoginScheme::digest && known != nonces_.end()) known->is_proven = true;
}

// The strongest of what is asked for and can be answered.
Result<void> ProxyLogin::choose(const std::vector<AuthChallenge>& challenges) {
  scheme_ = LoginScheme::none;
  bool has_basic = challenges.empty();  // what is asked for in a way that nobody can read is Basic
  std::string why_no_digest;
  for (const AuthChallenge& one : challenges) {
    has_basic = has_basic || one.scheme == "basic";
    if (one.scheme != "digest") continue;
    auto digest = read_digest_challenge(one);
    if (!digest) why_no_digest = "; " + std::move(digest).error().detail;
    if (!digest || (scheme_ == LoginScheme::digest && digest->hash <= digest_.hash)) continue;
    scheme_ = LoginScheme::digest;
    digest_ = *std::move(digest);
  }
  const bool takes_basic = rule_ != LoginRule::digest_alone;
  if (scheme_ == LoginScheme::none && has_basic && takes_basic) scheme_ = LoginScheme::basic;
  if (scheme_ != LoginScheme::none) return {};
  const std::string_view wanted = takes_basic ? "Basic or Digest" : "Digest, which alone is allowed here";
  return failf(Errc::unavailable, "wants a login by {}{}; want one that takes {}, or an exception without a login",
               listed(challenges), why_no_digest, wanted);
}

Result<void> ProxyLogin::take_challenges(const std::vector<AuthChallenge>& challenges, const ShownLogin& shown,
                                         unsigned requests) {
  TRY_VOID(choose(challenges));
  if (credentials_ == nullptr) {
    scheme_ = LoginScheme::none;
    return fail(Errc::unavailable, "wants a user name and password");
  }
  // The nonce of a login that was right may have ended without the proxy's word for it, as when it started anew.
  const bool is_too_old =
      shown.scheme == LoginScheme::digest && scheme_ == LoginScheme::digest && (digest_.is_stale || shown.is_proven);
  const bool is_new = shown.scheme != scheme_ || is_too_old;
  if (is_new && requests < kMaxProxyRequests) return {};
  if (is_too_old) return fail(Errc::unavailable, "asks for another login each time: its nonces end too soon");
  scheme_ = LoginScheme::none;
  return fail(Errc::unavailable, "refused user name or password");
}

}  // namespace sallyport::tunnel
