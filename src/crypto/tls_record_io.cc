#include "crypto/detail/tls_record_io.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sallyport::crypto {
namespace {

std::unexpected<Error> broken_connection(int cause) {
  return failf(Errc::unavailable, "tls: connection broken: {}",
               cause != 0 ? std::strerror(cause) : "the peer closed without a word");
}

}  // namespace

std::unexpected<Error> TlsRecordIo::end_with(TlsFault fault) {
  broken_ = true;
  // Told if there is room for it: nobody waits for that. Half a record before it would only make it unreadable.
  if (fault.alert && unsent_.empty() && !closing_) {
    Bytes alert;
    records_.seal_alert(*fault.alert, alert);
    static_cast<void>(::send(descriptor_, alert.data(), alert.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  return std::unexpected<Error>(std::move(fault.error));
}

Result<bool> TlsRecordIo::fill(std::span<std::uint8_t> room, std::size_t& have) {
  while (have < room.size()) {
    const ssize_t got = ::recv(descriptor_, room.data() + have, room.size() - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (got <= 0) {
      broken_ = true;
      return broken_connection(got == 0 ? 0 : errno);
    }
    have += static_cast<std::size_t>(got);
  }
  return true;
}

Result<bool> TlsRecordIo::take_record(TlsOpened& opened) {
  TRY(const bool has_header, fill(header_, header_have_));
  if (!has_header) return false;
  if (body_.empty()) {
    const auto size = TlsRecords::body_bytes(header_);
    if (!size) return end_with(size.error());
    body_.resize(*size);
    body_have_ = 0;
  }
  TRY(const bool has_body, fill(body_, body_have_));
  if (!has_body) return false;
  auto outcome = records_.open(header_, body_);
  header_have_ = 0;
  if (!outcome) return end_with(std::move(outcome).error());
  opened = *outcome;
  return true;
}

Result<TlsStep> TlsRecordIo::read(std::span<std::uint8_t> into) {
  if (ended_) return TlsStep{.end_of_stream = true};
  if (broken_) return fail(Errc::unavailable, "tls: not connected");
  if (!has_pending()) {
    TlsOpened opened;
    TRY(const bool whole, take_record(opened));
    if (!whole) return TlsStep{.want = TlsWant::read};
    content_ = opened.bytes;
    taken_ = 0;
    ended_ = opened.content == TlsContent::end;
  }
  const std::size_t count = std::min(into.size(), content_ - taken_);
  std::ranges::copy(std::span(body_).subspan(taken_, count), into.begin());
  taken_ += count;
  if (taken_ == content_) Bytes().swap(body_);
  if (ended_) return TlsStep{.end_of_stream = true};
  // A record that was not for the application: others get their turn before the next one.
  if (count == 0) return TlsStep{.want = TlsWant::read};
  return TlsStep{.bytes = count};
}

Result<bool> TlsRecordIo::flush() {
  while (sent_ < unsent_.size()) {
    const ssize_t sent = ::send(descriptor_, unsent_.data() + sent_, unsent_.size() - sent_, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (sent < 0) {
      broken_ = true;
      return broken_connection(errno);
    }
    sent_ += static_cast<std::size_t>(sent);
  }
  Bytes().swap(unsent_);
  sent_ = 0;
  return true;
}

Result<TlsStep> TlsRecordIo::write(ByteView from) {
  if (broken_) return fail(Errc::unavailable, "tls: not connected");
  if (closing_) return fail(Errc::unavailable, "tls: our direction is closed");
  if (from.empty()) return TlsStep{};
  if (unsent_.empty()) {
    counted_ = 0;
    counted_ = records_.seal(from, unsent_);
  }
  if (from.size() < counted_) {
    broken_ = true;
    return fail(Errc::conflict, "tls: not what an earlier write had begun");
  }
  TRY(const bool gone, flush());
  if (!gone) return TlsStep{.want = TlsWant::write};
  return TlsStep{.bytes = counted_};
}

Result<TlsStep> TlsRecordIo::shutdown() {
  if (broken_) return TlsStep{};
  if (!std::exchange(closing_, true)) records_.seal_alert(SSL_AD_CLOSE_NOTIFY, unsent_);
  TRY(const bool gone, flush());
  return gone ? TlsStep{} : TlsStep{.want = TlsWant::write};
}

}  // namespace sallyport::crypto
