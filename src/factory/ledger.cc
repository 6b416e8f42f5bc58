#include "factory/ledger.h"

#include <utility>

#include "keystore/file.h"

namespace sallyport::factory {

Result<Ledger> Ledger::open(const std::filesystem::path& path) {
  // A new file is made whole, so that none of this name is ever half begun.
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    TRY_VOID(keystore::create_file(path, as_bytes(kLedgerMagic), keystore::kSecretMode));
  }
  TRY(auto file, keystore::AppendFile::open(path, keystore::kSecretMode));
  TRY(const auto bytes, file.read_all(kMaxLedgerFile));
  TRY(auto parsed, parse_ledger_file(bytes));
  Ledger ledger(std::move(file));
  for (const auto& record : parsed.records) {
    auto applied = std::visit([&](const auto& each) { return ledger.apply(each); }, record);
    if (!applied) return fail(Errc::malformed, std::move(applied).error().detail);
  }
  if (parsed.sound_size < bytes.size()) TRY_VOID(ledger.file_.cut(parsed.sound_size));
  if (parsed.sound_size == 0) TRY_VOID(ledger.file_.append(as_bytes(kLedgerMagic)));
  if (ledger.open_intent_) TRY_VOID(ledger.record_voided());
  return ledger;
}

const Issued* Ledger::find(const SerialId& serial_id) const {
  const auto found = by_serial_id_.find(serial_id.get());
  return found == by_serial_id_.end() ? nullptr : &issued_[found->second];
}

const Issued* Ledger::find_by_key(const crypto::Sha256Digest& spki) const {
  const auto found = by_key_.find(spki);
  return found == by_key_.end() ? nullptr : &issued_[found->second];
}

Result<void> Ledger::append(const LedgerRecord& record) {
  const Bytes bytes = encode_ledger_record(record, file_.size());
  if (file_.size() + bytes.size() > kMaxLedgerFile) {
    return failf(Errc::overloaded, "ledger: found {} bytes, want at most {}: begin a new site", file_.size(),
                 kMaxLedgerFile);
  }
  return file_.append(bytes);
}

Result<void> Ledger::check(const Intent& intent) const {
  if (open_intent_) return fail(Errc::conflict, "ledger: found an intent while another is open");
  if (serials_.contains(intent.serial))
    return fail(Errc::conflict, "ledger: found a certificate serial for the second time");
  if (by_serial_id_.contains(intent.serial_id.get())) {
    return failf(Errc::conflict, "ledger: serial id '{}' was issued before", intent.serial_id.get());
  }
  if (const Issued* other = find_by_key(intent.spki)) {
    return failf(Errc::conflict, "ledger: this key was certified before, for serial id '{}'",
                 other->entry.serial_id.get());
  }
  return {};
}

Result<void> Ledger::check(const Issued& issued) const {
  const auto& entry = issued.entry;
  if (!open_intent_ || entry.certificate_serial != open_intent_->serial || entry.serial_id != open_intent_->serial_id ||
      entry.spki != open_intent_->spki) {
    return failf(Errc::conflict, "ledger: found entry {} without its intent", entry.sequence);
  }
  if (entry.sequence != head_.sequence + 1 || entry.previous != head_.hash) {
    return failf(Errc::conflict, "ledger: found entry {}, want the next after {}", entry.sequence, head_.sequence);
  }
  if (crypto::sha256(issued.certificate) != entry.certificate) {
    return failf(Errc::conflict, "ledger: entry {}: found another certificate than it names", entry.sequence);
  }
  return {};
}

Result<void> Ledger::apply(const Intent& intent) {
  TRY_VOID(check(intent));
  serials_.insert(intent.serial);
  open_intent_ = intent;
  return {};
}

Result<void> Ledger::apply(const Issued& issued) {
  TRY_VOID(check(issued));
  by_serial_id_[issued.entry.serial_id.get()] = issued_.size();
  by_key_[issued.entry.spki] = issued_.size();
  head_ = {.sequence = issued.entry.sequence, .hash = pki::entry_hash(issued.entry)};
  issued_.push_back(issued);
  open_intent_.reset();
  return {};
}

Result<void> Ledger::apply(const Voided& voided) {
  if (!open_intent_ || open_intent_->serial != voided.serial) {
    return fail(Errc::conflict, "ledger: found a voided certificate without its intent");
  }
  open_intent_.reset();
  ++voided_;
  return {};
}

Result<void> Ledger::record_intent(const Intent& intent) {
  TRY_VOID(check(intent));
  TRY_VOID(append(intent));
  return apply(intent);
}

Result<void> Ledger::record_issued(Issued issued) {
  TRY_VOID(check(issued));
  TRY_VOID(append(issued));
  return apply(issued);
}

Result<void> Ledger::record_voided() {
  SALLYPORT_CHECK(open_intent_.has_value());
  const Voided voided{open_intent_->serial};
  TRY_VOID(append(voided));
  return apply(voided);
}

}  // namespace sallyport::factory
