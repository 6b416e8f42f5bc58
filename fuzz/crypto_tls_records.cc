// Reads any input as what was inside a record, and opens it as records that nobody sealed.

#include <cstdlib>

#include "crypto/tls_records.h"

using namespace sallyport;
using crypto::TlsContent;

namespace {

void check_inner(ByteView inner) {
  const auto read = crypto::read_inner_plaintext(inner);
  if (!read) {
    if (read.error().error.detail.empty()) std::abort();
    return;
  }
  if (read->bytes >= inner.size() || read->bytes > crypto::kMaxTlsPlaintext) std::abort();
  if (read->content != TlsContent::data && read->bytes != 0) std::abort();
  // Behind the content lie its type and zeros alone.
  if (read->content != TlsContent::data) return;
  for (const std::uint8_t byte : inner.subspan(read->bytes + 1)) {
    if (byte != 0) std::abort();
  }
}

crypto::TlsRecords make_records() {
  const auto filled = [](std::uint8_t value) { return SecretBytes(Bytes(48, value)); };
  return crypto::TlsRecords::begin(0x1302, {.receive = filled(1), .send = filled(2), .exporter = filled(3)}).value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_inner(ByteView(data, size));
  auto records = make_records();
  for (ByteView wire(data, size); wire.size() >= crypto::kTlsRecordHeader;) {
    const auto header = wire.first<crypto::kTlsRecordHeader>();
    wire = wire.subspan(crypto::kTlsRecordHeader);
    const auto bytes = crypto::TlsRecords::body_bytes(header);
    if (!bytes) {
      if (!bytes.error().alert) std::abort();
      break;
    }
    if (*bytes > crypto::kMaxTlsRecordBody) std::abort();
    if (*bytes > wire.size()) break;
    Bytes body = to_bytes(wire.first(*bytes));
    if (records.open(header, body)) std::abort();
    wire = wire.subspan(*bytes);
  }
  return 0;
}
