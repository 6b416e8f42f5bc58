#include "tlog/proof.h"

#include <charconv>

#include "codec/text.h"

namespace sallyport::tlog {
namespace {

constexpr std::string_view kFirstLine = "c2sp.org/tlog-proof@v1";
constexpr std::string_view kExtra = "extra ";
constexpr std::string_view kIndex = "index ";

std::unexpected<Error> bad_proof(std::string_view what) {
  return failf(Errc::malformed, "log proof: {}", what);
}

Result<std::string_view> take_proof_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return bad_proof("ends in the middle");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

Result<std::uint64_t> parse_index_line(std::string_view line) {
  if (!line.starts_with(kIndex)) return bad_proof("no index");
  const std::string_view text = line.substr(kIndex.size());
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || (text.size() > 1 && text.front() == '0')) return bad_proof("index: want a decimal number");
  return value;
}

Result<Hash> parse_hash(std::string_view line) {
  TRY(const Bytes bytes, codec::decode_base64(line));
  Reader reader(bytes);
  TRY(const Hash hash, reader.array<32>());
  TRY_VOID(reader.finish("log proof"));
  return hash;
}

}  // namespace

std::string encode_log_proof(const LogProof& proof) {
  std::string out = fmt::format("{}\n", kFirstLine);
  if (!proof.extra.empty()) out += fmt::format("{}{}\n", kExtra, codec::encode_base64(proof.extra));
  out += fmt::format("{}{}\n", kIndex, proof.index);
  for (const Hash& hash : proof.hashes) out += codec::encode_base64(hash) + "\n";
  return out + "\n" + proof.checkpoint;
}

Result<LogProof> parse_log_proof(std::string_view text) {
  if (text.size() > kMaxProofBytes) return bad_proof("too long");
  TRY(const auto first, take_proof_line(text));
  if (first != kFirstLine) return bad_proof("another format or version");
  LogProof out;
  TRY(auto line, take_proof_line(text));
  if (line.starts_with(kExtra)) {
    TRY(out.extra, codec::decode_base64(line.substr(kExtra.size())));
    if (out.extra.empty() || out.extra.size() > kMaxProofExtra) return bad_proof("extra: empty or too long");
    TRY(line, take_proof_line(text));
  }
  TRY(out.index, parse_index_line(line));
  for (;;) {
    TRY(line, take_proof_line(text));
    if (line.empty()) break;
    if (out.hashes.size() == kMaxProofHashes) return bad_proof("too many hashes");
    TRY(const Hash hash, parse_hash(line));
    out.hashes.push_back(hash);
  }
  if (text.empty()) return bad_proof("no checkpoint");
  out.checkpoint = text;
  return out;
}

Result<ProvenCertificate> verify_log_proof(const LogProof& proof, ByteView der, const NoteKey& key) {
  TRY(auto checkpoint, open_checkpoint(proof.checkpoint, key));
  Bytes bytes = proof.extra;
  append(bytes, der);
  TRY(auto entry, parse_log_entry(bytes));
  const auto* logged = std::get_if<CertificateEntry>(&entry.what);
  if (logged == nullptr || !equal(logged->der, der)) {
    return fail(Errc::unauthorized, "log proof: of something else than this certificate");
  }
  if (entry.index != proof.index) {
    return failf(Errc::unauthorized, "log proof: of entry {}, the entry says {}", proof.index, entry.index);
  }
  TRY_VOID(verify_inclusion(leaf_hash(bytes), proof.index, checkpoint.size, proof.hashes, checkpoint.root));
  return ProvenCertificate{std::move(entry), std::move(checkpoint)};
}

}  // namespace sallyport::tlog
