#include "pki/ledger.h"

#include "codec/tlv.h"
#include "pki/detail/ledger_signature.h"

namespace sallyport::pki {
namespace {

enum EntryField : std::uint16_t { sequence = 1, serial_id, spki, certificate, certificate_serial, previous, issued_at };

constexpr std::size_t kMaxEntryBytes = 512;
constexpr std::size_t kMaxSignature = 1'024;

// What the site's CA signs: whose ledger, under which permit, up to where, when.
Bytes head_signing_input(const LedgerExport& ledger) {
  enum HeadField : std::uint16_t { head_site = 1, head_permit, head_exported_at, head_sequence, head_hash };
  SALLYPORT_CHECK(!ledger.entries.empty());
  const LedgerEntry& last = ledger.entries.back();
  codec::TlvWriter writer;
  writer.text(HeadField::head_site, ledger.site.get())
      .u64(HeadField::head_permit, ledger.permit_number)
      .time(HeadField::head_exported_at, ledger.exported_at)
      .u64(HeadField::head_sequence, last.sequence)
      .bytes(HeadField::head_hash, entry_hash(last));
  return codec::signing_input("ledger", std::move(writer).take());
}

}  // namespace

Bytes encode_ledger_entry(const LedgerEntry& value) {
  codec::TlvWriter writer;
  writer.u64(EntryField::sequence, value.sequence)
      .text(EntryField::serial_id, value.serial_id.get())
      .bytes(EntryField::spki, value.spki)
      .bytes(EntryField::certificate, value.certificate)
      .bytes(EntryField::certificate_serial, value.certificate_serial.content())
      .bytes(EntryField::previous, value.previous)
      .time(EntryField::issued_at, value.issued_at);
  return std::move(writer).take();
}

Result<LedgerEntry> parse_ledger_entry(ByteView bytes) {
  if (bytes.size() > kMaxEntryBytes)
    return failf(Errc::malformed, "ledger entry: {} bytes, want at most {}", bytes.size(), kMaxEntryBytes);
  codec::TlvReader reader(bytes, "ledger entry");
  LedgerEntry out;
  TRY(out.sequence, reader.u64(EntryField::sequence));
  if (out.sequence == 0) return fail(Errc::malformed, "ledger entry: sequence 0, want at least 1");
  TRY(const std::string serial_id, reader.text(EntryField::serial_id));
  TRY(out.serial_id, parse_serial_id(serial_id));
  TRY(out.spki, reader.array<32>(EntryField::spki));
  TRY(out.certificate, reader.array<32>(EntryField::certificate));
  TRY(const ByteView certificate_serial, reader.bytes(EntryField::certificate_serial));
  TRY(out.certificate_serial, SerialNumber::from_content(certificate_serial));
  TRY(out.previous, reader.array<32>(EntryField::previous));
  TRY(out.issued_at, reader.time(EntryField::issued_at));
  TRY_VOID(reader.finish());
  return out;
}

Sha256Digest entry_hash(const LedgerEntry& value) {
  return crypto::sha256(codec::signing_input("ledger-entry", encode_ledger_entry(value)));
}

LedgerEntry next_entry(std::uint64_t sequence, const Sha256Digest& head, SerialId serial_id,
                       const Certificate& certificate, UnixTime issued_at) {
  return {.sequence = sequence + 1,
          .serial_id = std::move(serial_id),
          .spki = certificate.spki_sha256(),
          .certificate = certificate.fingerprint(),
          .certificate_serial = certificate.serial(),
          .previous = head,
          .issued_at = issued_at};
}

Bytes encode_ledger_export(const LedgerExport& ledger) {
  codec::TlvWriter writer;
  writer.text(detail::LedgerExportField::site, ledger.site.get())
      .u64(detail::LedgerExportField::permit_number, ledger.permit_number);
  for (const LedgerEntry& value : ledger.entries)
    writer.bytes(detail::LedgerExportField::entry, encode_ledger_entry(value));
  for (const Bytes& der : ledger.certificates) writer.bytes(detail::LedgerExportField::certificate_der, der);
  writer.time(detail::LedgerExportField::exported_at, ledger.exported_at)
      .bytes(detail::LedgerExportField::signature, ledger.signature);
  return std::move(writer).take();
}

Result<LedgerExport> parse_ledger_export(ByteView bytes) {
  if (bytes.size() > kMaxLedgerExportBytes) {
    return failf(Errc::malformed, "ledger export: {} bytes, want at most {}", bytes.size(), kMaxLedgerExportBytes);
  }
  codec::TlvReader reader(bytes, "ledger export");
  LedgerExport out;
  TRY(const std::string site, reader.text(detail::LedgerExportField::site));
  TRY(out.site, parse_site_name(site));
  TRY(out.permit_number, reader.u64(detail::LedgerExportField::permit_number));
  TRY(const auto entries, reader.repeated(detail::LedgerExportField::entry, kMaxLedgerExportEntries));
  TRY(const auto certificates, reader.repeated(detail::LedgerExportField::certificate_der, kMaxLedgerExportEntries));
  TRY(out.exported_at, reader.time(detail::LedgerExportField::exported_at));
  TRY(const ByteView signature, reader.bytes(detail::LedgerExportField::signature));
  TRY_VOID(reader.finish());
  if (entries.empty() || entries.size() != certificates.size()) {
    return failf(Errc::malformed, "ledger export: {} entries and {} certificates", entries.size(), certificates.size());
  }
  if (signature.size() > kMaxSignature) return fail(Errc::malformed, "ledger export: signature too long");
  for (const ByteView one : entries) {
    TRY(LedgerEntry value, parse_ledger_entry(one));
    out.entries.push_back(std::move(value));
  }
  for (const ByteView one : certificates) {
    if (one.size() > kMaxCertificateBytes) return fail(Errc::malformed, "ledger export: certificate too long");
    out.certificates.push_back(to_bytes(one));
  }
  out.signature = to_bytes(signature);
  return out;
}

Result<void> sign_ledger_export(LedgerExport& ledger, crypto::SigningKey& key) {
  if (ledger.entries.empty()) return fail(Errc::malformed, "ledger export: no entry");
  TRY(ledger.signature, key.sign(head_signing_input(ledger)));
  return {};
}

namespace detail {

bool is_signed_by(const LedgerExport& ledger, const Certificate& site_ca) {
  const crypto::PublicKey& key = site_ca.public_key();
  return key.verify(signature_scheme_of(key), head_signing_input(ledger), ledger.signature).has_value();
}

}  // namespace detail
}  // namespace sallyport::pki
