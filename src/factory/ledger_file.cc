#include "factory/ledger_file.h"

#include <optional>

#include "codec/tlv.h"

namespace sallyport::factory {
namespace {

constexpr std::uint8_t kIntent = 1;
constexpr std::uint8_t kIssued = 2;
constexpr std::uint8_t kVoided = 3;

constexpr std::uint16_t kKind = 1;
constexpr std::uint16_t kSerial = 2;
constexpr std::uint16_t kSerialId = 3;
constexpr std::uint16_t kSpki = 4;
constexpr std::uint16_t kTime = 5;
constexpr std::uint16_t kEntry = 6;
constexpr std::uint16_t kCertificate = 7;

constexpr std::size_t kHeaderSize = 8;
constexpr std::size_t kDigestSize = 16;

std::uint32_t length_check(std::uint64_t offset, std::uint32_t length) {
  Writer input;
  input.text("length").u64(offset).u32(length);
  const auto digest = crypto::sha256(input.view());
  return std::uint32_t{digest[0]} << 24U | std::uint32_t{digest[1]} << 16U | std::uint32_t{digest[2]} << 8U | digest[3];
}

crypto::Sha256Digest body_digest(std::uint64_t offset, ByteView body) {
  Writer input;
  input.text("body").u64(offset).bytes(body);
  return crypto::sha256(input.view());
}

void write_body(codec::TlvWriter& out, const Intent& intent) {
  out.u8(kKind, kIntent).bytes(kSerial, intent.serial.content()).text(kSerialId, intent.serial_id.get());
  out.bytes(kSpki, intent.spki).time(kTime, intent.time);
}
void write_body(codec::TlvWriter& out, const Issued& issued) {
  out.u8(kKind, kIssued).bytes(kEntry, pki::encode_ledger_entry(issued.entry)).bytes(kCertificate, issued.certificate);
}
void write_body(codec::TlvWriter& out, const Voided& voided) {
  out.u8(kKind, kVoided).bytes(kSerial, voided.serial.content());
}

Result<LedgerRecord> parse_intent(codec::TlvReader& in) {
  Intent intent;
  TRY(const auto serial, in.bytes(kSerial));
  TRY(intent.serial, pki::SerialNumber::from_content(serial));
  TRY(const auto serial_id, in.text(kSerialId));
  TRY(intent.serial_id, parse_serial_id(serial_id));
  TRY(intent.spki, in.array<32>(kSpki));
  TRY(intent.time, in.time(kTime));
  return intent;
}

Result<LedgerRecord> parse_issued(codec::TlvReader& in) {
  Issued issued;
  TRY(const auto entry, in.bytes(kEntry));
  TRY(issued.entry, pki::parse_ledger_entry(entry));
  TRY(const auto certificate, in.bytes(kCertificate));
  issued.certificate = to_bytes(certificate);
  return issued;
}

Result<LedgerRecord> parse_voided(codec::TlvReader& in) {
  TRY(const auto content, in.bytes(kSerial));
  TRY(auto serial, pki::SerialNumber::from_content(content));
  return Voided{serial};
}

Result<LedgerRecord> parse_body(ByteView body) {
  codec::TlvReader in(body, "ledger record");
  TRY(const auto kind, in.u8(kKind));
  auto record = [&]() -> Result<LedgerRecord> {
    switch (kind) {
      case kIntent:
        return parse_intent(in);
      case kIssued:
        return parse_issued(in);
      case kVoided:
        return parse_voided(in);
      default:
        return failf(Errc::malformed, "ledger record: found kind {}, want 1 to 3", kind);
    }
  }();
  if (record) TRY_VOID(in.finish());
  return record;
}

std::unexpected<Error> damaged(std::uint64_t offset, std::string_view what) {
  return failf(Errc::malformed, "ledger: {} at offset {}: restore the file from a backup", what, offset);
}

// Returns the body of the record at `offset`, of which `rest` is what the file has left; absent when none is whole.
std::optional<ByteView> find_body(std::uint64_t offset, ByteView rest) {
  if (rest.size() < kHeaderSize) return std::nullopt;
  Reader header(rest.first(kHeaderSize));
  const auto length = header.u32();
  const auto check = header.u32();
  if (!length || !check || *length > kMaxLedgerRecord || *check != length_check(offset, *length)) return std::nullopt;
  if (rest.size() < kHeaderSize + *length + kDigestSize) return std::nullopt;
  const ByteView body = rest.subspan(kHeaderSize, *length);
  const auto digest = body_digest(offset, body);
  if (!equal(rest.subspan(kHeaderSize + *length, kDigestSize), ByteView(digest).first(kDigestSize)))
    return std::nullopt;
  return body;
}

// Whether `rest` begins with a record that reads well and has something behind it, though not at this place: what lay
// before it was cut out. A torn record has nothing behind it.
bool is_displaced(ByteView rest) {
  Reader header(rest);
  const auto length = header.u32();
  if (!length || kHeaderSize + *length + kDigestSize >= rest.size()) return false;
  return parse_body(rest.subspan(kHeaderSize, *length)).has_value();
}

// A record is synced before the next is written, so what a crash leaves is no longer than one, and none is behind it.
// Of a torn one any sectors may have reached the disk: nothing can be said of its own content, the header included.
bool is_torn(std::uint64_t offset, ByteView rest) {
  if (rest.size() > kHeaderSize + kMaxLedgerRecord + kDigestSize || is_displaced(rest)) return false;
  for (std::size_t at = 1; at + kHeaderSize + kDigestSize <= rest.size(); ++at) {
    if (find_body(offset + at, rest.subspan(at))) return false;
  }
  return true;
}

}  // namespace

Bytes encode_ledger_record(const LedgerRecord& record, std::uint64_t offset) {
  codec::TlvWriter fields;
  std::visit([&](const auto& each) { write_body(fields, each); }, record);
  const Bytes body = fields.take();
  SALLYPORT_CHECK(body.size() <= kMaxLedgerRecord);
  const auto length = static_cast<std::uint32_t>(body.size());
  const auto digest = body_digest(offset, body);
  Writer out;
  out.u32(length).u32(length_check(offset, length)).bytes(body).bytes(ByteView(digest).first(kDigestSize));
  return out.take();
}

Result<LedgerFile> parse_ledger_file(ByteView bytes) {
  LedgerFile file;
  if (bytes.size() < kLedgerMagic.size()) {
    if (!equal(bytes, as_bytes(kLedgerMagic).first(bytes.size()))) return damaged(0, "found another kind of file");
    return file;
  }
  if (!equal(bytes.first(kLedgerMagic.size()), as_bytes(kLedgerMagic))) return damaged(0, "found another kind of file");
  std::uint64_t offset = kLedgerMagic.size();
  while (offset < bytes.size()) {
    const ByteView rest = bytes.subspan(static_cast<std::size_t>(offset));
    const auto body = find_body(offset, rest);
    if (!body && !is_torn(offset, rest)) return damaged(offset, "found a damaged record");
    if (!body) break;
    auto record = parse_body(*body);
    if (!record) return std::unexpected(std::move(record).error().at(fmt::format("ledger at offset {}", offset)));
    file.records.push_back(*std::move(record));
    offset += kHeaderSize + body->size() + kDigestSize;
  }
  file.sound_size = offset;
  return file;
}

}  // namespace sallyport::factory
