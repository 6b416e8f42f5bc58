#include "log_check.h"

#include <algorithm>
#include <cstring>

#include "administration.h"
#include "codec/text.h"
#include "crypto/hash.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::uint64_t kPage = 1'000;
constexpr std::size_t kMaxWaiting = 10'000;

Result<tlog::Hash> digest_at(const Json& json, std::string_view key) {
  TRY(const auto hex, json.text_at(key));
  TRY(const auto bytes, codec::decode_hex(hex));
  Reader reader(bytes);
  TRY(const auto digest, reader.array<32>());
  TRY_VOID(reader.finish(key));
  return digest;
}

Try<void> list_certificates(RecordPicture& out, const std::filesystem::path& state, Environment& environment) {
  for (std::uint64_t after = 0;;) {
    CLI_TRY(const auto answer,
            administer(state, "log.records", Json::Object{{"after", after}, {"limit", kPage}}, environment));
    TRY(const auto listed, answer.at("records"));
    TRY(const auto page, listed.array());
    for (const Json& record : page) {
      TRY(const auto number, record.integer_at("number"));
      after = static_cast<std::uint64_t>(number);
      if (const Json* sha256 = record.find("sha256"); sha256 == nullptr || sha256->is_null()) continue;
      TRY(const auto digest, digest_at(record, "sha256"));
      TRY(const auto ca, record.text_at("ca"));
      TRY(const auto serial, record.text_at("serial"));
      out.certificates.emplace(digest, fmt::format("{} of {}", serial, ca));
    }
    if (page.size() < kPage) return {};
  }
}

Try<void> list_events(RecordPicture& out, const std::filesystem::path& state, Environment& environment) {
  for (;;) {
    CLI_TRY(const auto answer,
            administer(state, "audit.list", Json::Object{{"after", std::uint64_t{out.events.size()}}, {"limit", kPage}},
                       environment));
    TRY(const auto listed, answer.at("entries"));
    TRY(const auto page, listed.array());
    for (const Json& event : page) {
      TRY(const auto sequence, event.integer_at("sequence"));
      TRY(const auto hash, digest_at(event, "hash"));
      // What is missing on record has no hash that any log entry could have.
      while (out.events.size() + 1 < static_cast<std::uint64_t>(sequence)) out.events.emplace_back();
      out.events.push_back(hash);
    }
    if (page.size() < kPage) return {};
  }
}

Try<void> list_heads(RecordPicture& out, const std::filesystem::path& state, Environment& environment) {
  CLI_TRY(const auto answer, administer(state, "site.list", Json::Object{}, environment));
  TRY(const auto listed, answer.at("sites"));
  TRY(const auto sites, listed.array());
  for (const Json& site : sites) {
    TRY(const auto issued, site.integer_at("issued"));
    if (issued == 0) continue;
    RecordPicture::SiteHead head;
    TRY(head.site, site.text_at("name"));
    head.sequence = static_cast<std::uint64_t>(issued);
    TRY(head.hash, digest_at(site, "ledger_head"));
    out.heads.push_back(std::move(head));
  }
  return {};
}

}  // namespace

Try<RecordPicture> take_picture(const std::filesystem::path& state, Environment& environment) {
  RecordPicture out;
  if (auto done = list_certificates(out, state, environment); !done) return std::unexpected(std::move(done).error());
  if (auto done = list_events(out, state, environment); !done) return std::unexpected(std::move(done).error());
  if (auto done = list_heads(out, state, environment); !done) return std::unexpected(std::move(done).error());
  return out;
}

Json to_json(const Finding& finding) {
  return Json::Object{
      {"index", finding.index ? Json(*finding.index) : Json()}, {"fault", finding.fault}, {"detail", finding.detail}};
}

std::string to_line(const Finding& finding) {
  if (finding.index) return fmt::format("entry {}: {}: {}", *finding.index, finding.fault, finding.detail);
  return fmt::format("log: {}: {}", finding.fault, finding.detail);
}

std::size_t HashKey::operator()(const tlog::Hash& hash) const {
  std::size_t value = 0;
  std::memcpy(&value, hash.data(), sizeof value);
  return value;
}

void LogContent::add(std::optional<std::uint64_t> index, std::string_view fault, std::string detail) {
  if (findings_.size() < tlog::kMaxFindings) findings_.push_back({index, std::string(fault), std::move(detail)});
}

bool LogContent::is_issued(const pki::Certificate& certificate) const {
  return std::ranges::any_of(cas_, [&](const pki::Certificate& ca) {
    return ca.subject() == certificate.issuer() &&
           ca.public_key()
               .verify(certificate.signature_scheme(), certificate.tbs(), certificate.signature())
               .has_value();
  });
}

void LogContent::take_certificate(std::uint64_t index, const tlog::CertificateEntry& entry) {
  certificates_.try_emplace(crypto::sha256(entry.der), index);
  auto certificate = pki::parse_certificate(entry.der);
  if (!certificate) return add(index, "bad-certificate", certificate.error().detail);
  if (!is_issued(*certificate)) {
    if (waiting_.size() < kMaxWaiting) {
      waiting_.emplace_back(index, *std::move(certificate));
    } else {
      add(index, "bad-certificate", "not signed by a CA that is in the log before it");
    }
    return;
  }
  if (certificate->extensions().is_ca()) cas_.push_back(*std::move(certificate));
}

void LogContent::take(const tlog::LogEntry& entry) {
  if (const auto* certificate = std::get_if<tlog::CertificateEntry>(&entry.what)) {
    take_certificate(entry.index, *certificate);
  } else if (const auto* event = std::get_if<tlog::AuditEntry>(&entry.what)) {
    events_.try_emplace(event->sequence, Logged{entry.index, event->hash});
  } else if (const auto* head = std::get_if<tlog::LedgerHeadEntry>(&entry.what)) {
    auto& newest = heads_[head->site.get()];
    if (head->sequence < newest.first) {
      add(entry.index, "ledger-differs",
          fmt::format("found the ledger of {} at {}, it was at {} before", head->site.get(), head->sequence,
                      newest.first));
    }
    newest = {head->sequence, {entry.index, head->hash}};
  }
}

void LogContent::finish() {
  for (const auto& [index, certificate] : waiting_) {
    if (certificate.extensions().is_ca() && is_issued(certificate)) cas_.push_back(certificate);
  }
  for (const auto& [index, certificate] : waiting_) {
    if (!is_issued(certificate)) add(index, "bad-certificate", "found a certificate that no CA of the log has signed");
  }
  waiting_.clear();
}

void LogContent::demand(const pki::Certificate& certificate, std::string_view where) {
  if (certificates_.contains(certificate.fingerprint())) return;
  add(std::nullopt, "unlogged",
      fmt::format("{}: certificate {} (serial {}) is not in the log{}", where,
                  codec::encode_hex(certificate.fingerprint()), certificate.serial().hex(),
                  is_issued(certificate) ? ", though a CA of it has signed it" : ""));
}

void LogContent::compare(const RecordPicture& before, const RecordPicture& after) {
  for (const auto& [digest, name] : before.certificates) {
    if (!certificates_.contains(digest))
      add(std::nullopt, "unlogged", fmt::format("certificate {} is recorded and not in the log", name));
  }
  for (const auto& [digest, index] : certificates_) {
    if (!after.certificates.contains(digest))
      add(index, "unrecorded", fmt::format("certificate {} is in no record", codec::encode_hex(digest)));
  }
  for (std::uint64_t sequence = 1; sequence <= before.events.size(); ++sequence) {
    if (!events_.contains(sequence))
      add(std::nullopt, "unlogged", fmt::format("audit event {} is not in the log", sequence));
  }
  for (const auto& [sequence, logged] : events_) {
    if (sequence == 0 || sequence > after.events.size()) {
      add(logged.index, "audit-differs", fmt::format("audit event {} is gone from the audit log", sequence));
    } else if (after.events[sequence - 1] != logged.hash) {
      add(logged.index, "audit-differs", fmt::format("found audit event {} with another hash on record", sequence));
    }
  }
  for (const RecordPicture::SiteHead& head : before.heads) {
    const auto logged = heads_.find(head.site);
    if (logged == heads_.end()) {
      add(std::nullopt, "unlogged", fmt::format("the ledger head of {} is not in the log", head.site));
      continue;
    }
    const auto& [sequence, entry] = logged->second;
    if (sequence < head.sequence || (sequence == head.sequence && entry.hash != head.hash)) {
      add(entry.index, "ledger-differs",
          fmt::format("found the ledger of {} at {}, the record says {}", head.site, sequence, head.sequence));
    }
  }
}

}  // namespace sallyport::cli
