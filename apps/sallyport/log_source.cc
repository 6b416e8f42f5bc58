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

Result<pki::Certificate> first_of(std::string_view pem) {
  TRY(auto certificates, pki::parse_certificates_pem(pem));
  return certificates.front();
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

Result<pki::Certificate> FolderLog::root() {
  return read_certificate(folder_ / "root.pem");
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

Result<pki::Certificate> ServiceLog::root() {
  TRY(const auto pem, fact("root"));
  return first_of(pem);
}

std::unique_ptr<LogReader> open_log(const Arguments& arguments, Environment& environment) {
  if (const auto folder = arguments.find("export")) return std::make_unique<FolderLog>(*folder);
  return std::make_unique<ServiceLog>(arguments.path("state"), environment);
}

Result<LogKey> prove_key(LogReader& log, const std::optional<std::filesystem::path>& trusted_root, const Clock& clock) {
  TRY(const auto note, log.checkpoint());
  TRY(auto origin, claimed_origin(note));
  TRY(const auto chain, log.key_chain());
  TRY(auto root, trusted_root ? read_certificate(*trusted_root) : log.root());
  const std::vector<pki::Certificate> anchors = {root};
  TRY(const auto verified, pki::verify_chain(chain, anchors, pki::ControlPurpose{pki::ControlKind::checkpoint},
                                             pki::TimeRule::clock(clock.now())));
  TRY(auto key, tlog::NoteKey::create(std::move(origin), verified.leaf().public_key()));
  return LogKey{std::move(key), std::move(root)};
}

}  // namespace sallyport::cli
