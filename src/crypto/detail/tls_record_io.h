// A TLS connection after its handshake over a non-blocking descriptor, of which nothing but its keys is kept.
#pragma once

#include <array>
#include <span>

#include "crypto/tls.h"
#include "crypto/tls_records.h"

namespace sallyport::crypto {

// Reads, writes and ends as TlsSession does. Borrows the descriptor. Holds no buffer while no record is under way.
class TlsRecordIo {
 public:
  TlsRecordIo(TlsRecords records, int descriptor) : records_(std::move(records)), descriptor_(descriptor) {}

  Result<TlsStep> read(std::span<std::uint8_t> into);
  // Counts what it took only once all of it has left: until then it wants to be given the same again.
  Result<TlsStep> write(ByteView from);
  Result<TlsStep> shutdown();
  bool has_pending() const { return taken_ < content_; }
  Bytes export_keying_material(std::string_view label, std::size_t length) const {
    return records_.export_keying_material(label, length);
  }

 private:
  // Fills `room` from `have` on; whether it is full now.
  Result<bool> fill(std::span<std::uint8_t> room, std::size_t& have);
  // Whether the next record is there and has been opened; what it was goes to `opened`.
  Result<bool> take_record(TlsOpened& opened);
  // What has been sealed, to the kernel; false while some is left.
  Result<bool> flush();
  std::unexpected<Error> end_with(TlsFault fault);

  TlsRecords records_;
  int descriptor_;
  std::array<std::uint8_t, kTlsRecordHeader> header_{};
  std::size_t header_have_ = 0;
  Bytes body_;  // of the record under way, or that was opened and is not all taken
  std::size_t body_have_ = 0;
  std::size_t content_ = 0;  // of body_, for the application
  std::size_t taken_ = 0;    // of it
  Bytes unsent_;             // sealed
  std::size_t sent_ = 0;     // of it
  std::size_t counted_ = 0;  // bytes of the application in unsent_
  bool ended_ = false;       // the peer has
  bool closing_ = false;     // our close_notify has been sealed
  bool broken_ = false;
};

}  // namespace sallyport::crypto
