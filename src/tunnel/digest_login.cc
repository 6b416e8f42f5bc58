#include "tunnel/digest_login.h"

#include <algorithm>
#include <array>

#include "codec/text.h"
#include "crypto/hash.h"
#include "tunnel/detail/http_text.h"

namespace sallyport::tunnel {
namespace {

constexpr std::string_view kSession = "-sess";

struct Algorithm {
  std::string_view name;
  DigestHash hash;
};
constexpr std::array kAlgorithms = {Algorithm{"md5", DigestHash::md5}, Algorithm{"sha-256", DigestHash::sha256},
                                    Algorithm{"sha-512-256", DigestHash::sha512_256}};

bool says_true(const std::string* value) {
  return value != nullptr && equal_ignoring_case(*value, "true");
}

// H(): hexadecimal.
Result<std::string> hash_of(DigestHash hash, const SecretBytes& bytes) {
  switch (hash) {
    case DigestHash::md5: {
      TRY(const auto digest, crypto::md5(bytes.expose()));
      return codec::encode_hex(digest);
    }
    case DigestHash::sha256:
      return codec::encode_hex(crypto::sha256(bytes.expose()));
    case DigestHash::sha512_256:
      break;
  }
  return codec::encode_hex(crypto::sha512_256(bytes.expose()));
}

// The same, of which no copy is left behind.
Result<SecretBytes> secret_hash_of(DigestHash hash, const SecretBytes& bytes) {
  TRY(auto text, hash_of(hash, bytes));
  SecretBytes out{std::string_view(text)};
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return out;
}

SecretBytes joined(std::initializer_list<ByteView> parts) {
  Bytes out;
  std::size_t size = parts.size();
  for (const ByteView part : parts) size += part.size();
  out.reserve(size);
  for (const ByteView part : parts) {
    if (!out.empty()) out.push_back(':');
    append(out, part);
  }
  return SecretBytes(std::move(out));
}

// quoted-string (RFC 9110 §5.6.4).
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// ext-value (RFC 8187 §3.2.1) of a UTF-8 text.
std::string extended(std::string_view text) {
  constexpr std::string_view kPlain = "!#$&+-.^_`|~";
  std::string out = "UTF-8''";
  for (const char c : text) {
    const bool is_plain =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || kPlain.contains(c);
    out += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// How the user is named (RFC 7616 §3.4, §3.4.4).
Result<std::string> encode_user(const DigestChallenge& challenge, const std::string& user) {
  if (challenge.hashes_user) {
    TRY(const auto name, hash_of(challenge.hash, joined({as_bytes(user), as_bytes(challenge.realm)})));
    return fmt::format("username=\"{}\", userhash=true", name);
  }
  if (challenge.is_utf8 && !is_ascii(user)) return "username*=" + extended(user);
  return "username=" + in_quotes(user);
}

}  // namespace

Result<DigestChallenge> read_digest_challenge(const AuthChallenge& challenge) {
  const std::string* const realm = challenge.find("realm");
  const std::string* const nonce = challenge.find("nonce");
  if (realm == nullptr || nonce == nullptr) return fail(Errc::malformed, "digest: found no realm or no nonce");
  DigestChallenge out{.realm = *realm, .nonce = *nonce, .opaque = {}, .algorithm = {}};
  if (const std::string* const algorithm = challenge.find("algorithm")) {
    out.algorithm = *algorithm;
    std::string name = codec::lower_case(*algorithm);
    out.is_session = name.ends_with(kSession);
    if (out.is_session) name.resize(name.size() - kSession.size());
    const auto* const known = std::ranges::find(kAlgorithms, name, &Algorithm::name);
    if (known == kAlgorithms.end())
      return fail(Errc::unavailable, "digest: found another algorithm, want MD5, SHA-256 or SHA-512-256");
    out.hash = known->hash;
  }
  const std::string* const qop = challenge.find("qop");
  if (qop == nullptr || !lists(*qop, "auth")) return fail(Errc::unavailable, "digest: found no qop \"auth\"");
  if (const std::string* const opaque = challenge.find("opaque")) out.opaque = *opaque;
  out.hashes_user = says_true(challenge.find("userhash"));
  out.is_stale = says_true(challenge.find("stale"));
  const std::string* const charset = challenge.find("charset");
  out.is_utf8 = charset != nullptr && equal_ignoring_case(*charset, "UTF-8");
  TRY_VOID(hash_of(out.hash, {}));
  return out;
}

Result<std::string> encode_digest_answer(const DigestChallenge& challenge, const ProxyCredentials& credentials,
                                         const DigestUse& use) {
  constexpr std::string_view kQop = "auth";
  const ByteView nonce = as_bytes(challenge.nonce);
  const ByteView own_nonce = as_bytes(use.own_nonce);
  const std::string count = fmt::format("{:08x}", use.count);
  TRY(auto secret, secret_hash_of(challenge.hash, joined({as_bytes(credentials.user), as_bytes(challenge.realm),
                                                          credentials.password.expose()})));
  if (challenge.is_session) {
    TRY(secret, secret_hash_of(challenge.hash, joined({secret.expose(), nonce, own_nonce})));
  }
  TRY(const std::string request, hash_of(challenge.hash, joined({as_bytes(use.method), as_bytes(use.uri)})));
  TRY(const std::string response, hash_of(challenge.hash, joined({secret.expose(), nonce, as_bytes(count), own_nonce,
                                                                  as_bytes(kQop), as_bytes(request)})));
  TRY(const std::string user, encode_user(challenge, credentials.user));
  std::string out = fmt::format("Digest {}, realm={}, nonce={}, uri={}, response=\"{}\", cnonce={}, nc={}, qop={}",
                                user, in_quotes(challenge.realm), in_quotes(challenge.nonce), in_quotes(use.uri),
                                response, in_quotes(use.own_nonce), count, kQop);
  if (!challenge.algorithm.empty()) out += ", algorithm=" + challenge.algorithm;
  if (challenge.opaque) out += ", opaque=" + in_quotes(*challenge.opaque);
  return out;
}

}  // namespace sallyport::tunnel
