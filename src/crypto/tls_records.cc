#include "crypto/tls_records.h"

#include <openssl/core_names.h>
#include <openssl/ssl.h>

#include "crypto/detail/evp.h"
#include "crypto/detail/tls_alerts.h"

namespace sallyport::crypto {
namespace {

constexpr std::size_t kTag = 16;  // of all three suites
constexpr std::uint8_t kAlertFatal = 2;
constexpr std::uint8_t kAlertWarning = 1;
constexpr std::size_t kKeyUpdateBytes = 5;
constexpr std::uint8_t kRequested = 1;  // KeyUpdateRequest update_requested (RFC 8446 §4.6.3)

std::unexpected<TlsFault> fault(std::uint8_t alert, std::string_view what) {
  return std::unexpected(TlsFault{Error{Errc::malformed, "tls: " + std::string(what)}, alert});
}

OSSL_PARAM text_value(const char* name, std::string_view text) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(text.data()), text.size());
}

// HKDF-Expand-Label (RFC 8446 §7.1).
void expand_label(std::string_view digest, ByteView secret, std::string_view label, ByteView context,
                  std::span<std::uint8_t> out) {
  static EVP_KDF* const algorithm = EVP_KDF_fetch(nullptr, "TLS13-KDF", nullptr);
  const OwnedKdfContext kdf(EVP_KDF_CTX_new(algorithm));
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  std::vector<OSSL_PARAM> parameters = {
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, const_cast<char*>(digest.data()), digest.size()),
      bytes_parameter(OSSL_KDF_PARAM_KEY, secret), text_value(OSSL_KDF_PARAM_PREFIX, "tls13 "),
      text_value(OSSL_KDF_PARAM_LABEL, label)};
  if (!context.empty()) parameters.push_back(bytes_parameter(OSSL_KDF_PARAM_DATA, context));
  parameters.push_back(OSSL_PARAM_construct_end());
  SALLYPORT_CHECK(kdf && EVP_KDF_derive(kdf.get(), out.data(), out.size(), parameters.data()) == 1);
}

// Puts `bytes` at the begin of a secret that has room for more.
template <std::size_t N>
Secret<N> padded(ByteView bytes) {
  std::array<std::uint8_t, N> room{};
  std::ranges::copy(bytes, room.begin());
  Secret<N> out{std::span<const std::uint8_t, N>(room)};
  wipe(room);
  return out;
}

std::expected<TlsOpened, TlsFault> read_alert(ByteView content) {
  if (content.empty()) return fault(SSL_AD_UNEXPECTED_MESSAGE, "a record with nothing in it");  // §5.4
  if (content.size() != 2) return fault(SSL_AD_DECODE_ERROR, "an alert that is none");
  const std::uint8_t description = content[1];
  if (description == SSL_AD_CLOSE_NOTIFY) return TlsOpened{.content = TlsContent::end};
  if (description == SSL_AD_USER_CANCELLED) return TlsOpened{};
  const Errc code = is_refusal_alert(description) ? Errc::unauthorized : Errc::malformed;
  return std::unexpected(
      TlsFault{Error{code, std::string("tls: alert of the peer: ") + SSL_alert_desc_string_long(description)}, {}});
}

std::expected<TlsOpened, TlsFault> read_handshake(ByteView content) {
  if (content.size() != kKeyUpdateBytes || content[0] != SSL3_MT_KEY_UPDATE)
    return fault(SSL_AD_UNEXPECTED_MESSAGE, "a handshake message after the handshake");
  if (content[1] != 0 || content[2] != 0 || content[3] != 1)
    return fault(SSL_AD_DECODE_ERROR, "a key update that is none");
  if (content[4] > kRequested) return fault(SSL_AD_ILLEGAL_PARAMETER, "a key update that asks for something else");
  return TlsOpened{.content = content[4] == kRequested ? TlsContent::key_update_requested : TlsContent::key_update};
}

}  // namespace

struct TlsRecords::Suite {
  std::uint16_t id;
  std::string_view digest;
  std::size_t hash_bytes;
  std::size_t key_bytes;
  const EVP_CIPHER* cipher;
  Bytes empty_hash;
};

const TlsRecords::Suite* TlsRecords::find_suite(std::uint16_t suite) {
  // Absent where the library's configuration leaves it out.
  const auto cipher = [](const char* name) -> const EVP_CIPHER* { return EVP_CIPHER_fetch(nullptr, name, nullptr); };
  const auto hash_of_nothing = [](const EVP_MD* digest) {
    Bytes out(static_cast<std::size_t>(EVP_MD_get_size(digest)));
    SALLYPORT_CHECK(EVP_Digest("", 0, out.data(), nullptr, digest, nullptr) == 1);
    return out;
  };
  // RFC 8446 §B.4.
  static const std::array<Suite, 3> suites = {
      Suite{0x1301, "SHA256", 32, 16, cipher("AES-128-GCM"), hash_of_nothing(sha256_algorithm())},
      Suite{0x1302, "SHA384", 48, 32, cipher("AES-256-GCM"), hash_of_nothing(sha384_algorithm())},
      Suite{0x1303, "SHA256", 32, 32, cipher("ChaCha20-Poly1305"), hash_of_nothing(sha256_algorithm())},
  };
  const auto* const found = std::ranges::find(suites, suite, &Suite::id);
  return found == suites.end() || found->cipher == nullptr ? nullptr : found;
}

std::expected<TlsOpened, TlsFault> read_inner_plaintext(ByteView inner) {
  if (inner.size() > kMaxTlsPlaintext + 1) return fault(SSL_AD_RECORD_OVERFLOW, "a record above 16,384 bytes");
  std::size_t end = inner.size();
  while (end > 0 && inner[end - 1] == 0) --end;
  if (end == 0) return fault(SSL_AD_UNEXPECTED_MESSAGE, "a record without a content type");
  const ByteView content = inner.first(end - 1);
  switch (inner[end - 1]) {
    case SSL3_RT_APPLICATION_DATA:
      return TlsOpened{.content = TlsContent::data, .bytes = content.size()};
    case SSL3_RT_ALERT:
      return read_alert(content);
    case SSL3_RT_HANDSHAKE:
      return read_handshake(content);
    default:
      return fault(SSL_AD_UNEXPECTED_MESSAGE, "a record of another content type");
  }
}

Result<TlsRecords> TlsRecords::begin(std::uint16_t suite, TlsSecrets secrets, TlsSendLimits limits) {
  const Suite* const found = find_suite(suite);
  if (found == nullptr)
    return failf(Errc::malformed, "tls records: suite 0x{:04x}, want one of TLS 1.3 that the library has", suite);
  for (const SecretBytes* secret : {&secrets.receive, &secrets.send, &secrets.exporter}) {
    if (secret->size() != found->hash_bytes)
      return failf(Errc::malformed, "tls records: a secret of {} bytes, want {}", secret->size(), found->hash_bytes);
  }
  SALLYPORT_CHECK(limits.plaintext > 0 && limits.plaintext <= kMaxTlsPlaintext);
  return TlsRecords(*found, secrets, limits);
}

TlsRecords::TlsRecords(const Suite& suite, const TlsSecrets& secrets, TlsSendLimits limits)
    : suite_(&suite),
      receive_(make_direction(suite, secrets.receive.expose())),
      send_(make_direction(suite, secrets.send.expose())),
      exporter_(padded<kMaxSecret>(secrets.exporter.expose())),
      limits_(limits) {}

// RFC 8446 §7.3.
TlsRecords::Direction TlsRecords::make_direction(const Suite& suite, ByteView traffic_secret) {
  std::array<std::uint8_t, kMaxKey> key{};
  std::array<std::uint8_t, kNonce> iv{};
  expand_label(suite.digest, traffic_secret, "key", {}, std::span(key).first(suite.key_bytes));
  expand_label(suite.digest, traffic_secret, "iv", {}, iv);
  Direction out{padded<kMaxSecret>(traffic_secret), padded<kMaxKey>(key), padded<kNonce>(iv)};
  wipe(key);
  wipe(iv);
  return out;
}

TlsRecords::Direction TlsRecords::next(const Direction& direction) const {
  std::array<std::uint8_t, kMaxSecret> secret{};
  const auto used = std::span(secret).first(suite_->hash_bytes);
  expand_label(suite_->digest, ByteView(direction.traffic_secret.expose()).first(suite_->hash_bytes), "traffic upd", {},
               used);
  Direction out = make_direction(*suite_, used);
  wipe(secret);
  return out;
}

namespace {

// The nonce of a record (RFC 8446 §5.3).
std::array<std::uint8_t, 12> nonce_of(std::span<const std::uint8_t, 12> iv, std::uint64_t sequence) {
  std::array<std::uint8_t, 12> out;
  std::ranges::copy(iv, out.begin());
  for (std::size_t i = 0; i < 8; ++i) out[11 - i] ^= static_cast<std::uint8_t>(sequence >> (8 * i));
  return out;
}

// A cipher with key, nonce and what a record's header says.
OwnedCipherContext begin_record(const EVP_CIPHER* cipher, ByteView key, const std::array<std::uint8_t, 12>& nonce,
                                ByteView header, bool seals) {
  OwnedCipherContext context(EVP_CIPHER_CTX_new());
  int taken = 0;
  SALLYPORT_CHECK(
      context && EVP_CipherInit_ex2(context.get(), cipher, key.data(), nonce.data(), seals ? 1 : 0, nullptr) == 1 &&
      EVP_CipherUpdate(context.get(), nullptr, &taken, header.data(), static_cast<int>(header.size())) == 1);
  return context;
}

}  // namespace

std::expected<std::size_t, TlsFault> TlsRecords::body_bytes(std::span<const std::uint8_t, kTlsRecordHeader> header) {
  // The version is of no meaning (RFC 8446 §5.1).
  if (header[0] != SSL3_RT_APPLICATION_DATA)
    return fault(SSL_AD_UNEXPECTED_MESSAGE, "a record without protection after the handshake");
  const std::size_t bytes = static_cast<std::size_t>(header[3]) << 8U | header[4];
  if (bytes > kMaxTlsRecordBody) return fault(SSL_AD_RECORD_OVERFLOW, "a record above 16,640 bytes");
  if (bytes <= kTag) return fault(SSL_AD_BAD_RECORD_MAC, "a record shorter than its tag");
  return bytes;
}

std::expected<TlsOpened, TlsFault> TlsRecords::open(std::span<const std::uint8_t, kTlsRecordHeader> header,
                                                    std::span<std::uint8_t> body) {
  SALLYPORT_CHECK(body.size() > kTag);
  const ErrorQueueGuard guard;
  const auto inner = body.first(body.size() - kTag);
  const auto tag = body.last(kTag);
  const auto context = begin_record(suite_->cipher, ByteView(receive_.key.expose()).first(suite_->key_bytes),
                                    nonce_of(receive_.iv.expose(), receive_.sequence++), header, false);
  int written = 0;
  int rest = 0;
  const bool opened =
      EVP_CipherUpdate(context.get(), inner.data(), &written, inner.data(), static_cast<int>(inner.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTag, tag.data()) == 1 &&
      EVP_CipherFinal_ex(context.get(), inner.data() + written, &rest) == 1;
  if (!opened) {
    wipe(inner);
    return fault(SSL_AD_BAD_RECORD_MAC, "a record that is not what the peer sealed");
  }
  auto read = read_inner_plaintext(inner);
  if (!read) return read;
  if (auto counted = count(*read); !counted) return std::unexpected(std::move(counted).error());
  if (read->content != TlsContent::key_update && read->content != TlsContent::key_update_requested) return read;
  receive_ = next(receive_);
  if (read->content == TlsContent::key_update_requested) owes_key_update_ = true;
  return read;
}

std::expected<void, TlsFault> TlsRecords::count(const TlsOpened& opened) {
  idle_records_ = opened.bytes > 0 ? 0 : idle_records_ + 1;
  if (opened.content == TlsContent::key_update || opened.content == TlsContent::key_update_requested) {
    if (++key_updates_ <= kMaxKeyUpdates) return {};
    std::string text = fmt::format("tls: the peer updates its keys more than {} times", kMaxKeyUpdates);
    return std::unexpected(TlsFault{Error{Errc::overloaded, std::move(text)}, SSL_AD_INTERNAL_ERROR});
  }
  if (idle_records_ <= kMaxIdleRecords || opened.content == TlsContent::end) return {};
  return fault(SSL_AD_UNEXPECTED_MESSAGE, fmt::format("{} records without data", kMaxIdleRecords + 1));
}

std::size_t TlsRecords::seal(ByteView data, Bytes& out) {
  if (owes_key_update_ || send_.sequence >= limits_.records_per_key) {
    constexpr std::array<std::uint8_t, kKeyUpdateBytes> kUpdate{SSL3_MT_KEY_UPDATE, 0, 0, 1, 0};
    seal_record(SSL3_RT_HANDSHAKE, kUpdate, out);
    send_ = next(send_);
    owes_key_update_ = false;
  }
  const ByteView taken = data.first(std::min(data.size(), limits_.plaintext));
  seal_record(SSL3_RT_APPLICATION_DATA, taken, out);
  return taken.size();
}

void TlsRecords::seal_alert(std::uint8_t description, Bytes& out) {
  const bool ends_in_order = description == SSL_AD_CLOSE_NOTIFY;
  const std::array<std::uint8_t, 2> alert{ends_in_order ? kAlertWarning : kAlertFatal, description};
  seal_record(SSL3_RT_ALERT, alert, out);
}

void TlsRecords::seal_record(std::uint8_t type, ByteView content, Bytes& out) {
  const std::size_t body = content.size() + 1 + kTag;
  const std::array<std::uint8_t, kTlsRecordHeader> header{
      SSL3_RT_APPLICATION_DATA, 3, 3, static_cast<std::uint8_t>(body >> 8U), static_cast<std::uint8_t>(body)};
  const std::size_t at = out.size();
  out.resize(at + kTlsRecordHeader + body);
  const auto record = std::span(out).subspan(at);
  std::ranges::copy(header, record.begin());
  const auto inner = record.subspan(kTlsRecordHeader, content.size() + 1);
  std::ranges::copy(content, inner.begin());
  inner.back() = type;
  const auto context = begin_record(suite_->cipher, ByteView(send_.key.expose()).first(suite_->key_bytes),
                                    nonce_of(send_.iv.expose(), send_.sequence++), header, true);
  int written = 0;
  int rest = 0;
  SALLYPORT_CHECK(
      EVP_CipherUpdate(context.get(), inner.data(), &written, inner.data(), static_cast<int>(inner.size())) == 1 &&
      EVP_CipherFinal_ex(context.get(), inner.data() + written, &rest) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTag, record.last(kTag).data()) == 1);
}

Bytes TlsRecords::export_keying_material(std::string_view label, std::size_t length) const {
  std::array<std::uint8_t, kMaxSecret> secret{};
  const auto derived = std::span(secret).first(suite_->hash_bytes);
  SALLYPORT_CHECK(length > 0 && length <= kMaxTlsExport);
  expand_label(suite_->digest, ByteView(exporter_.expose()).first(suite_->hash_bytes), label, suite_->empty_hash,
               derived);
  Bytes out(length);
  expand_label(suite_->digest, derived, "exporter", suite_->empty_hash, out);
  wipe(secret);
  return out;
}

}  // namespace sallyport::crypto
