// The records of a TLS 1.3 connection whose handshake is over (RFC 8446 §5), from its traffic secrets alone. No I/O.
//
// What is kept of a connection that idles for days: half a kilobyte, where OpenSSL's own takes 12.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/secret.h"

namespace sallyport::crypto {

inline constexpr std::size_t kTlsRecordHeader = 5;
inline constexpr std::size_t kMaxTlsPlaintext = 1U << 14U;                // RFC 8446 §5.1
inline constexpr std::size_t kMaxTlsRecordBody = kMaxTlsPlaintext + 256;  // §5.2
// §5.5: AES-GCM bears 2^24.5 records under one key; ours are changed before.
inline constexpr std::uint64_t kMaxRecordsPerKey = 1U << 24U;
inline constexpr std::size_t kMaxTlsExport = 255;
// Key updates of the peer in the life of a session (§4.6.3): one is due after 2^24 records, and each costs us a key
// schedule for 27 bytes.
inline constexpr std::size_t kMaxKeyUpdates = 64;
// Records without data that may come one after another: they are nobody's work but ours.
inline constexpr std::size_t kMaxIdleRecords = 32;

// What both ends have agreed on: SHA-256 or SHA-384 long, by the suite.
struct TlsSecrets {
  SecretBytes receive;   // <the peer's side>_application_traffic_secret_0 (§7.1)
  SecretBytes send;      // ours
  SecretBytes exporter;  // exporter_master_secret
};

struct TlsSendLimits {
  std::size_t plaintext = kMaxTlsPlaintext;           // of a record; less where the client asks so (RFC 6066 §4)
  std::uint64_t records_per_key = kMaxRecordsPerKey;  // before we update ours
};

// Why a record ends the connection, and what the peer is told of it (§6.2); nothing where it told us.
struct TlsFault {
  Error error;
  std::optional<std::uint8_t> alert;
};

enum class TlsContent : std::uint8_t {
  data,                  // for the application
  end,                   // close_notify
  key_update,            // of the peer, who wants none of ours
  key_update_requested,  // of the peer, who wants one of ours before our next data
  nothing,               // user_canceled, which a close_notify follows
};

// What was in a record.
struct TlsOpened {
  TlsContent content = TlsContent::nothing;
  std::size_t bytes = 0;  // of data, from the begin of the body; may be 0
};

// Reads a TLSInnerPlaintext (§5.2, §5.4). After a handshake a server awaits data, alerts and key updates. A key update
// is to be a record: behind it come other keys (§5.1), and one in two records, which would be allowed, nobody sends.
std::expected<TlsOpened, TlsFault> read_inner_plaintext(ByteView inner);

// Both directions of one connection, from the first record under the application traffic secrets on. Not thread-safe.
// After a fault it is good for its alert only.
class TlsRecords {
 public:
  // `suite` as in §B.4. Errc::malformed when it is none of TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384 and
  // TLS_CHACHA20_POLY1305_SHA256, is not in the library, or a secret is not as long as its hash.
  static Result<TlsRecords> begin(std::uint16_t suite, TlsSecrets secrets, TlsSendLimits limits = {});
  TlsRecords(TlsRecords&&) noexcept = default;
  TlsRecords& operator=(TlsRecords&&) noexcept = default;
  ~TlsRecords() = default;

  // How many bytes follow `header`, at least those that protection adds. A fault when what follows is no protected
  // record, or longer than kMaxTlsRecordBody.
  static std::expected<std::size_t, TlsFault> body_bytes(std::span<const std::uint8_t, kTlsRecordHeader> header);
  // Opens a record in place; `body` has body_bytes() bytes. Records come in their order, each once.
  std::expected<TlsOpened, TlsFault> open(std::span<const std::uint8_t, kTlsRecordHeader> header,
                                          std::span<std::uint8_t> body);

  // Appends a record with as much of `data` as one holds to `out`, and our key update before it where one is due.
  // Returns how much that was. Records are to leave in the order in which they were made.
  std::size_t seal(ByteView data, Bytes& out);
  // Appends an alert: close_notify (0), or one that ends the connection.
  void seal_alert(std::uint8_t description, Bytes& out);

  // §7.5, with an empty context: the same as the peer's, at any time. `length` is 1 to kMaxTlsExport.
  Bytes export_keying_material(std::string_view label, std::size_t length) const;

 private:
  static constexpr std::size_t kMaxSecret = 48;
  static constexpr std::size_t kMaxKey = 32;
  static constexpr std::size_t kNonce = 12;

  struct Suite;
  // Keys of one direction, shorter ones at the begin of their places.
  struct Direction {
    Secret<kMaxSecret> traffic_secret;
    Secret<kMaxKey> key;
    Secret<kNonce> iv;
    std::uint64_t sequence = 0;
  };

  TlsRecords(const Suite& suite, const TlsSecrets& secrets, TlsSendLimits limits);
  static const Suite* find_suite(std::uint16_t suite);
  static Direction make_direction(const Suite& suite, ByteView traffic_secret);
  std::expected<void, TlsFault> count(const TlsOpened& opened);
  // The keys that follow (§7.2).
  Direction next(const Direction& direction) const;
  void seal_record(std::uint8_t type, ByteView content, Bytes& out);

  const Suite* suite_;
  Direction receive_;
  Direction send_;
  Secret<kMaxSecret> exporter_;
  TlsSendLimits limits_;
  std::size_t key_updates_ = 0;
  std::size_t idle_records_ = 0;  // since the last data
  bool owes_key_update_ = false;
};

}  // namespace sallyport::crypto
