#include "log_source.h"

#include "administration.h"
#include "codec/text.h"
#include "folders.h"
#include "keystore/file.h"
#include "pki/verify.h"

namespace sallyport::cli {
namespace {

using codec::Json;

// The origin line of a checkpoint whose signature is still to be verified.
Result<std::string> claimed_origin(std::string_view note) {
  TRY(const auto parsed, tlog::parse_note(note));
  TRY(const auto checkpoint, tlog::parse_checkpoint(parsed.text));
  return checkpoint.origin;
}

}  // namespace

Result<std::string> FolderLog::checkpoint() {
  TRY(const auto bytes, keystore::read_file(folder_ / "checkpoint", tlog::kMaxNoteBytes));
  return std::string(as_text(bytes));
}

Result<Bytes> FolderLog::read(const tlog::Tile& tile) {
  const std::size_t most = tile.level ? tlog::kMaxTileBytes : tlog::kMaxBundleBytes;
  return keystore::read_file(folder_ / tlog::tile_path(tile), most);
}

Result<std::vector<pki::Certificate>> FolderLog::key_chain() {
  TRY(const auto pem, keystore::read_file(folder_ / "key.pem", kMaxSmallFile));
  return pki::parse_certificates_pem(as_text(pem));
}

Result<std::vector<pki::Certificate>> FolderLog::roots() {
  TRY(const auto pem, keystore::read_file(folder_ / "root.pem", kMaxSmallFile));
  return pki::parse_certificates_pem(as_text(pem));
}

Result<std::string> ServiceLog::fact(std::string_view name) {
  if (facts_.is_null()) {
    auto answer = administer(state_, "log.checkpoint", Json::Object{}, environment_);
    if (!answer) return std::unexpected(std::move(answer).error().error);
    facts_ = *std::move(answer);
    if (const auto* fault = facts_.find("fault"); fault != nullptr && !fault->is_null()) {
      TRY(fault_, fault->text());
    }
  }
  return facts_.text_at(name);
}

Result<std::string> ServiceLog::checkpoint() {
  return fact("checkpoint");
}

Result<Bytes> ServiceLog::read(const tlog::Tile& tile) {
  auto answer = administer(state_, tile.level ? "log.tile" : "log.entries",
                           Json::Object{{"path", tlog::tile_path(tile)}}, environment_);
  if (!answer) return std::unexpected(std::move(answer).error().error);
  TRY(const auto data, answer->text_at("data"));
  return codec::decode_base64(data);
}

Result<std::vector<pki::Certificate>> ServiceLog::key_chain() {
  TRY(const auto pem, fact("key_chain"));
  return pki::parse_certificates_pem(pem);
}

Result<std::vector<pki::Certificate>> ServiceLog::roots() {
  TRY(const auto pem, fact("root"));
  return pki::parse_certificates_pem(pem);
}

std::unique_ptr<LogReader> open_log(const Arguments& arguments, Environment& environment) {
  if (const auto folder = arguments.find("export")) return std::make_unique<FolderLog>(*folder);
  return std::make_unique<ServiceLog>(arguments.path("state"), environment);
}

Result<LogKey> prove_key(LogReader& log, const std::optional<std::filesystem::path>& trusted_roots,
                         const Clock& clock) {
  TRY(const auto note, log.checkpoint());
  TRY(auto origin, claimed_origin(note));
  TRY(const auto chain, log.key_chain());
  std::vector<pki::Certificate> roots;
  if (trusted_roots) {
    TRY(const auto pem, keystore::read_file(*trusted_roots, kMaxSmallFile));
    auto given = pki::parse_certificates_pem(as_text(pem));
    if (!given) return std::unexpected(std::move(given).error().at(trusted_roots->string()));
    roots = *std::move(given);
  } else {
    TRY(roots, log.roots());
  }
  TRY(const auto verified, pki::verify_chain(chain, roots, pki::ControlPurpose{pki::ControlKind::checkpoint},
                                             pki::TimeRule::clock(clock.now())));
  TRY(auto key, tlog::NoteKey::create(std::move(origin), verified.leaf().public_key()));
  return LogKey{std::move(key), std::move(roots)};
}

}  // namespace sallyport::cli
