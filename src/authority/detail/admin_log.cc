#include <algorithm>

#include "authority/admin_json.h"
#include "authority/detail/admin_methods.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "tlog/entry.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::Records;

constexpr std::int64_t kMaxRecordPage = 1'000;
constexpr std::int64_t kMaxEntryPage = 256;
constexpr std::int64_t kDefaultEntryPage = 100;

std::string_view to_string(records::CertificateState state) {
  switch (state) {
    case records::CertificateState::intent:
      return "intent";
    case records::CertificateState::issued:
      return "issued";
    case records::CertificateState::void_intent:
      return "void";
    case records::CertificateState::revoked:
      return "revoked";
  }
  return "unknown";
}

Json record_json(const records::NumberedCertificate& each) {
  const records::CertificateRecord& record = each.record;
  return Json::Object{{"number", each.number},
                      {"ca", record.ca.get()},
                      {"serial", codec::encode_hex(record.serial.get())},
                      {"state", to_string(record.state)},
                      {"subject", record.subject},
                      {"recorded_at", to_iso8601(record.recorded_at)},
                      {"sha256", record.der.empty() ? Json() : Json(codec::encode_hex(crypto::sha256(record.der)))}};
}

Json::Object certificate_json(const tlog::CertificateEntry& entry) {
  Json::Object out{{"ca", entry.ca}, {"sha256", codec::encode_hex(crypto::sha256(entry.der))}};
  const auto certificate = pki::parse_certificate(entry.der);
  if (!certificate) return out;
  out["subject"] = certificate->subject().common_name().value_or("");
  out["serial"] = certificate->serial().hex();
  out["not_before"] = to_iso8601(certificate->validity().not_before);
  out["not_after"] = to_iso8601(certificate->validity().not_after);
  Json::Array names;
  if (const auto& alternative = certificate->extensions().alternative_names) {
    std::ranges::copy(alternative->dns, std::back_inserter(names));
  }
  out["names"] = std::move(names);
  return out;
}

Json entry_json(const tlog::LogEntry& entry) {
  Json::Object out;
  if (const auto* certificate = std::get_if<tlog::CertificateEntry>(&entry.what)) {
    out = certificate_json(*certificate);
  } else if (const auto* head = std::get_if<tlog::LedgerHeadEntry>(&entry.what)) {
    out = {{"site", head->site.get()}, {"sequence", head->sequence}, {"hash", codec::encode_hex(head->hash)}};
  } else if (const auto* event = std::get_if<tlog::AuditEntry>(&entry.what)) {
    out = {{"sequence", event->sequence}, {"hash", codec::encode_hex(event->hash)}};
  }
  out["index"] = entry.index;
  out["kind"] = tlog::to_string(entry.kind());
  out["time"] = to_iso8601(entry.time);
  return out;
}

Result<Json> tile_json(const AdminCall& call, bool entries) {
  TRY_VOID(call.parameters.only_keys({"path"}));
  TRY(const auto path, call.parameters.text_at("path"));
  TRY(const auto tile, tlog::parse_tile_path(path));
  if (tile.level.has_value() == entries)
    return failf(Errc::malformed, "tile path: found {}, want one of the other kind", path);
  TRY(const Bytes bytes, call.core.log().read_tile(tile));
  return Json(Json::Object{{"data", codec::encode_base64(bytes)}});
}

}  // namespace

AdminAnswer log_checkpoint(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({}));
  const auto signed_now = co_await call.core.log().until_signed(kCheckpointPatience);
  const auto& head = call.core.log().head();
  if (!signed_now && !head) co_return std::unexpected(signed_now.error());
  const std::string& note = signed_now ? signed_now->note : head->note;
  CO_TRY(const auto parsed, tlog::parse_note(note));
  CO_TRY(const auto checkpoint, tlog::parse_checkpoint(parsed.text));
  CO_TRY(const auto key, call.core.log().key_certificate());
  CO_TRY(const auto issuer, call.core.installation().issuer_of(key));
  std::vector<pki::Certificate> chain = {key, issuer};
  const auto links = call.core.installation().newest_links();
  chain.insert(chain.end(), links.begin(), links.end());
  const auto trusted = call.core.installation().anchors();
  const auto retired = call.core.installation().retired_roots();
  std::vector<pki::Certificate> roots(trusted.begin(), trusted.end());
  roots.insert(roots.end(), retired.begin(), retired.end());
  Json::Object out{{"checkpoint", note},
                   {"origin", checkpoint.origin},
                   {"size", checkpoint.size},
                   {"root_hash", codec::encode_hex(checkpoint.root)},
                   {"key_chain", pki::encode_certificates_pem(chain)},
                   {"root", pki::encode_certificates_pem(roots)},
                   {"fault", nullptr},
                   {"was_set_back", false}};
  if (!signed_now) {
    out.insert_or_assign("fault", signed_now.error().detail);
    out.insert_or_assign("was_set_back", signed_now.error().code == Errc::conflict);
  }
  co_return Json(std::move(out));
}

AdminAnswer log_list(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"from", "limit"}));
  std::int64_t from = 0;
  std::int64_t limit = kDefaultEntryPage;
  if (const Json* given = call.parameters.find("from")) {
    CO_TRY(from, given->integer());
  }
  if (const Json* given = call.parameters.find("limit")) {
    CO_TRY(limit, given->integer());
  }
  if (from < 0 || limit < 1 || limit > kMaxEntryPage) {
    co_return failf(Errc::malformed, "log.list: want from at least 0 and limit from 1 to {}", kMaxEntryPage);
  }
  Json::Array entries;
  std::uint64_t size = 0;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(size, records.log().size());
    TRY(const auto page, records.log().entries(static_cast<std::uint64_t>(from), static_cast<std::size_t>(limit)));
    for (const Bytes& bytes : page) {
      TRY(const auto entry, tlog::parse_log_entry(bytes));
      entries.push_back(entry_json(entry));
    }
    return {};
  }));
  co_return Json(Json::Object{{"entries", std::move(entries)}, {"size", size}});
}

AdminAnswer log_tile(AdminCall call) {
  co_return tile_json(call, false);
}

AdminAnswer log_entries(AdminCall call) {
  co_return tile_json(call, true);
}

AdminAnswer log_proof(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"sha256"}));
  CO_TRY(const auto hex, call.parameters.text_at("sha256"));
  CO_TRY(const auto bytes, codec::decode_hex(hex));
  CO_TRY(const auto digest, Reader(bytes).array<32>());
  Bytes der;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(const auto index, records.log().find_certificate(digest));
    if (!index) return fail(Errc::not_found, "log: no certificate with this hash");
    TRY(const auto entries, records.log().entries(*index, 1));
    TRY(const auto entry, tlog::parse_log_entry(entries.at(0)));
    der = std::get<tlog::CertificateEntry>(entry.what).der;
    return {};
  }));
  CO_TRY(const auto proof, co_await call.core.log().prove(std::move(der), kCheckpointPatience));
  co_return Json(Json::Object{{"index", proof.index},
                              {"size", proof.size},
                              {"proof", proof.proof},
                              {"key_certificate", codec::encode_base64(proof.key_certificate)}});
}

AdminAnswer log_records(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"after", "limit"}));
  CO_TRY(const auto after, call.parameters.integer_at("after"));
  CO_TRY(const auto limit, call.parameters.integer_at("limit"));
  if (after < 0 || limit < 1 || limit > kMaxRecordPage) {
    co_return failf(Errc::malformed, "log.records: want after from 0 and limit from 1 to {}", kMaxRecordPage);
  }
  Json::Array out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(const auto page,
        records.certificates().list_after(static_cast<std::uint64_t>(after), static_cast<std::size_t>(limit)));
    for (const auto& each : page) out.push_back(record_json(each));
    return {};
  }));
  co_return Json(Json::Object{{"records", std::move(out)}});
}

}  // namespace sallyport::authority
