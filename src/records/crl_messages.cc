#include "records/crl_messages.h"

#include "codec/tlv.h"

namespace sallyport::records {

using codec::TlvReader;
using codec::TlvWriter;

Bytes encode(const CrlRequest& message) {
  return TlvWriter().text(1, message.ca.get()).u64(2, message.have_number).u32(3, message.index).take();
}

Result<CrlRequest> parse_crl_request(ByteView fields) {
  TlvReader reader(fields, "CRL request");
  CrlRequest out;
  TRY(auto ca, reader.text(1));
  out.ca = CaName(std::move(ca));
  TRY(out.have_number, reader.u64(2));
  TRY(out.index, reader.u32(3));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const CrlPortion& message) {
  return TlvWriter().u64(1, message.number).u32(2, message.count).bytes(3, message.bytes).take();
}

Result<CrlPortion> parse_crl_portion(ByteView fields) {
  TlvReader reader(fields, "CRL portion");
  CrlPortion out;
  TRY(out.number, reader.u64(1));
  TRY(out.count, reader.u32(2));
  TRY(const auto bytes, reader.bytes(3));
  if (bytes.size() > kCrlPortionSize) {
    return failf(Errc::malformed, "CRL portion: {} bytes, want at most {}", bytes.size(), kCrlPortionSize);
  }
  out.bytes = to_bytes(bytes);
  TRY_VOID(reader.finish());
  return out;
}

}  // namespace sallyport::records
