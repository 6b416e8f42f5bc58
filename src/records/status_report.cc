#include "records/status_report.h"

#include <algorithm>
#include <set>

#include "codec/tlv.h"

namespace sallyport::records {
namespace {

using codec::TlvReader;
using codec::TlvWriter;

// 1 host, 2 number and 3 time of the snapshot, 4 since when it counts, then these, each of which may repeat:
constexpr std::uint16_t kAnswers = 5;   // kind of length u8, count u64
constexpr std::uint16_t kRefusals = 6;  // the same
constexpr std::uint16_t kSigners = 7;   // CA and serial of length u8, not before, not after, renews at u64
constexpr std::uint16_t kCrls = 8;      // CA of length u8, number u64, next update u64
constexpr std::size_t kMaxSerial = 20;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_kind(std::string_view text) {
  return !text.empty() && text.size() <= kMaxCountKind &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

std::unexpected<Error> malformed(std::string_view what) {
  return failf(Errc::malformed, "status report: {}", what);
}

// What UnixTime takes in our encodings (codec/tlv.h).
Result<UnixTime> read_time(Reader& reader) {
  TRY(const auto value, reader.u64());
  if (value > static_cast<std::uint64_t>(kNoExpiry.since_epoch())) return malformed("a time after the year 9999");
  return UnixTime(static_cast<std::int64_t>(value));
}

Result<std::uint64_t> in_range(std::uint64_t number) {
  if (number > kMaxReportedNumber) return malformed("found a number over 2^53");
  return number;
}

Writer& put_time(Writer& writer, UnixTime time) {
  return writer.u64(static_cast<std::uint64_t>(time.since_epoch()));
}

Result<CaName> read_ca(Reader& reader) {
  TRY(const auto bytes, reader.bytes_u8());
  const std::string_view text = as_text(bytes);
  const auto is_fine = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '/' || c == '@'; };
  if (text.empty() || text.size() > kMaxReportedCa || !std::ranges::all_of(text, is_fine))
    return malformed("found no name of a CA");
  return CaName(std::string(text));
}

void put_counts(TlvWriter& writer, std::uint16_t tag, const std::vector<StatusCount>& counts) {
  for (const StatusCount& each : counts) {
    writer.bytes(tag, Writer().bytes_u8(as_bytes(each.kind)).u64(each.count).view());
  }
}

Result<std::vector<StatusCount>> read_counts(TlvReader& reader, std::uint16_t tag) {
  TRY(const auto views, reader.repeated(tag, kMaxStatusCounts));
  std::vector<StatusCount> out;
  std::set<std::string> seen;
  for (const ByteView view : views) {
    Reader each(view);
    TRY(const auto kind, each.bytes_u8());
    TRY(const auto read, each.u64());
    TRY(const auto count, in_range(read));
    std::string word(as_text(kind));
    if (!each.rest().empty() || !is_kind(word)) return malformed("found a count of no kind");
    if (!seen.insert(word).second) return malformed("found a kind twice");
    out.push_back({std::move(word), count});
  }
  return out;
}

Bytes encode_signer(const StatusReport::Signer& signer) {
  Writer writer;
  writer.bytes_u8(as_bytes(signer.ca.get())).bytes_u8(signer.serial.get());
  put_time(writer, signer.not_before);
  put_time(writer, signer.not_after);
  put_time(writer, signer.renews_at);
  return writer.take();
}

Result<StatusReport::Signer> read_signer(ByteView view) {
  Reader reader(view);
  StatusReport::Signer out;
  TRY(out.ca, read_ca(reader));
  TRY(const auto serial, reader.bytes_u8());
  if (serial.empty() || serial.size() > kMaxSerial) return malformed("found a serial that is none");
  out.serial = CertificateSerial(to_bytes(serial));
  TRY(out.not_before, read_time(reader));
  TRY(out.not_after, read_time(reader));
  TRY(out.renews_at, read_time(reader));
  TRY_VOID(reader.finish("status report: signer"));
  return out;
}

Bytes encode_crl(const StatusReport::ServedCrl& crl) {
  Writer writer;
  writer.bytes_u8(as_bytes(crl.ca.get())).u64(crl.number);
  put_time(writer, crl.next_update);
  return writer.take();
}

Result<StatusReport::ServedCrl> read_served_crl(ByteView view) {
  Reader reader(view);
  StatusReport::ServedCrl out;
  TRY(out.ca, read_ca(reader));
  TRY(const auto number, reader.u64());
  TRY(out.number, in_range(number));
  TRY(out.next_update, read_time(reader));
  TRY_VOID(reader.finish("status report: CRL"));
  return out;
}

template <class Entry>
Result<std::vector<Entry>> read_of_cas(TlvReader& reader, std::uint16_t tag, Result<Entry> (*read)(ByteView)) {
  TRY(const auto views, reader.repeated(tag, kMaxStatusSigners));
  std::vector<Entry> out;
  std::set<CaName> seen;
  for (const ByteView view : views) {
    TRY(auto entry, read(view));
    if (!seen.insert(entry.ca).second) return malformed("found a CA twice");
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxHostName &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_'; });
}

Bytes encode(const StatusReport& report) {
  TlvWriter writer;
  writer.text(1, report.host)
      .u64(2, report.snapshot_number)
      .time(3, report.snapshot_issued_at)
      .time(4, report.counting_since);
  put_counts(writer, kAnswers, report.answers);
  put_counts(writer, kRefusals, report.refusals);
  for (const auto& signer : report.signers) writer.bytes(kSigners, encode_signer(signer));
  for (const auto& crl : report.crls) writer.bytes(kCrls, encode_crl(crl));
  return writer.take();
}

Result<StatusReport> parse_status_report(ByteView fields) {
  TlvReader reader(fields, "status report");
  StatusReport out;
  TRY(out.host, reader.text(1));
  if (!is_host_name(out.host)) return malformed("found no host name");
  TRY(const auto number, reader.u64(2));
  TRY(out.snapshot_number, in_range(number));
  TRY(out.snapshot_issued_at, reader.time(3));
  TRY(out.counting_since, reader.time(4));
  TRY(out.answers, read_counts(reader, kAnswers));
  TRY(out.refusals, read_counts(reader, kRefusals));
  TRY(out.signers, read_of_cas(reader, kSigners, read_signer));
  TRY(out.crls, read_of_cas(reader, kCrls, read_served_crl));
  TRY_VOID(reader.finish());
  return out;
}

}  // namespace sallyport::records
