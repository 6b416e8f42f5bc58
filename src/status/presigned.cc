#include "status/presigned.h"

#include "codec/tlv.h"

namespace sallyport::status {
namespace {

constexpr std::string_view kWhere = "pre-signed answers";

enum Field : std::uint16_t { ca = 1, root_crl, answer, list };

Result<records::CaName> read_name(Reader& reader) {
  TRY(const auto name, reader.bytes_u8());
  if (name.empty()) return failf(Errc::malformed, "{}: found a CA without a name", kWhere);
  return records::CaName(std::string(as_text(name)));
}

}  // namespace

Bytes encode_presigned(const Presigned& presigned) {
  codec::TlvWriter writer;
  for (const records::SnapshotCa& each : presigned.cas)
    writer.bytes(Field::ca, Writer().bytes_u8(as_bytes(each.name.get())).bytes(each.certificate).take());
  for (const Bytes& der : presigned.root_crls) writer.bytes(Field::root_crl, der);
  for (const Bytes& der : presigned.answers) writer.bytes(Field::answer, der);
  for (const PresignedList& each : presigned.lists)
    writer.bytes(Field::list, Writer().bytes_u8(as_bytes(each.ca.get())).u64(each.number).take());
  return writer.take();
}

Result<Presigned> parse_presigned(ByteView bytes) {
  if (bytes.size() > kMaxPresignedBytes)
    return failf(Errc::malformed, "{}: {} bytes, want at most {}", kWhere, bytes.size(), kMaxPresignedBytes);
  codec::TlvReader reader(bytes, kWhere);
  Presigned out;
  TRY(const auto cas, reader.repeated(Field::ca, kMaxPresignedCas));
  for (const ByteView view : cas) {
    Reader entry(view);
    TRY(auto name, read_name(entry));
    out.cas.push_back({std::move(name), to_bytes(entry.rest())});
  }
  TRY(const auto crls, reader.repeated(Field::root_crl, records::kMaxRootCrls));
  for (const ByteView der : crls) out.root_crls.push_back(to_bytes(der));
  TRY(const auto answers, reader.repeated(Field::answer, kMaxPresignedAnswers));
  for (const ByteView der : answers) out.answers.push_back(to_bytes(der));
  TRY(const auto lists, reader.repeated(Field::list, kMaxPresignedCas));
  for (const ByteView view : lists) {
    Reader entry(view);
    PresignedList made;
    TRY(made.ca, read_name(entry));
    TRY(made.number, entry.u64());
    TRY_VOID(entry.finish(kWhere));
    out.lists.push_back(std::move(made));
  }
  TRY_VOID(reader.finish());
  return out;
}

}  // namespace sallyport::status
