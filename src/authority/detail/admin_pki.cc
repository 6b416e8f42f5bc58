#include "authority/admin_json.h"
#include "authority/audit.h"
#include "authority/detail/admin_methods.h"
#include "authority/issuance.h"
#include "authority/issuance_clock.h"
#include "authority/site_states.h"
#include "codec/pem.h"
#include "codec/text.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::CaName;
using records::CertificateState;
using records::Records;

constexpr std::int64_t kMaxAuditPage = 1'000;
constexpr std::int64_t kDefaultAuditPage = 100;

std::string_view key_algorithm(const pki::Certificate& certificate) {
  switch (certificate.public_key().type()) {
    case crypto::KeyType::p256:
      return "P-256";
    case crypto::KeyType::p384:
      return "P-384";
    case crypto::KeyType::ed25519:
      return "Ed25519";
    case crypto::KeyType::rsa:
      return "RSA";
  }
  return "unknown";
}

// Where the key is, in a word.
std::string_view key_place(const CaName& name) {
  if (name.get() == "root") return "offline";
  return records::site_of(name) ? "factory" : "signer";
}

Result<Json> authority_json(Records& records, const CaName& name, const pki::Certificate& certificate, bool revoked,
                            UnixTime now) {
  TRY(auto issued, records.certificates().count(name, CertificateState::issued));
  TRY(auto alive, records.certificates().count_alive(name, now));
  TRY(auto gone, records.certificates().count(name, CertificateState::revoked));
  const bool expired = certificate.validity().not_after < now;
  return Json(Json::Object{
      {"name", name.get()},
      {"parent", name.get() == "root" ? Json() : Json("root")},
      {"subject", certificate.subject().common_name().value_or("")},
      {"serial", certificate.serial().hex()},
      {"key_algorithm", key_algorithm(certificate)},
      {"sha256", codec::encode_hex(certificate.fingerprint())},
      {"not_before", to_iso8601(certificate.validity().not_before)},
      {"not_after", to_iso8601(certificate.validity().not_after)},
      {"state", revoked ? "revoked" : (expired ? "expired" : "valid")},
      {"key_place", key_place(name)},
      {"issued", issued},
      {"alive", alive},
      {"revoked", gone},
  });
}

Result<Json> signers_json(Records& records, const Installation& installation, UnixTime now) {
  Json::Array out;
  for (const auto& [name, certificate] : installation.cas()) {
    TRY(auto signers, records.certificates().list_by_subject(records::CertificateKind::ocsp_signer, name.get()));
    for (const records::CertificateRecord& signer : signers) {
      if (signer.state != CertificateState::issued || signer.not_after < now) continue;
      out.emplace_back(Json::Object{{"ca", name.get()},
                                    {"serial", codec::encode_hex(signer.serial.get())},
                                    {"not_before", to_iso8601(signer.not_before)},
                                    {"not_after", to_iso8601(signer.not_after)}});
      break;
    }
  }
  return Json(std::move(out));
}

Json replaced_json(const std::string& name, const pki::Certificate& certificate, bool revoked) {
  return Json::Object{{"name", name},
                      {"serial", certificate.serial().hex()},
                      {"sha256", codec::encode_hex(certificate.fingerprint())},
                      {"not_before", to_iso8601(certificate.validity().not_before)},
                      {"not_after", to_iso8601(certificate.validity().not_after)},
                      {"revoked", revoked}};
}

// CAs and roots that younger ones have replaced and that are still verified by.
Json replaced_list(const Installation& installation, std::span<const pki::Crl> crls) {
  Json::Array out;
  for (const pki::Certificate& root : installation.anchors().subspan(1))
    out.push_back(replaced_json("root", root, false));
  for (const auto& [name, certificate] : installation.older_cas()) {
    const bool revoked =
        std::ranges::any_of(crls, [&](const pki::Crl& crl) { return crl.find(certificate.serial()) != nullptr; });
    out.push_back(replaced_json(records::base_name(name).get(), certificate, revoked));
  }
  return out;
}

Json crl_json(const pki::Crl& crl) {
  return Json::Object{{"number", crl.number()},
                      {"this_update", to_iso8601(crl.this_update())},
                      {"next_update", to_iso8601(crl.next_update())},
                      {"revoked", std::uint64_t{crl.entries().size()}}};
}

Result<std::vector<pki::Crl>> parse_crls(const std::vector<Bytes>& ders) {
  std::vector<pki::Crl> out;
  for (const Bytes& der : ders) {
    TRY(auto crl, pki::parse_crl(der));
    out.push_back(std::move(crl));
  }
  return out;
}

}  // namespace

AdminAnswer audit_list(AdminCall call) {
  records::AuditFilter filter;
  std::int64_t limit = kDefaultAuditPage;
  if (const Json* given = call.parameters.find("after")) {
    CO_TRY(auto after, given->integer());
    filter.after = static_cast<std::uint64_t>(std::max<std::int64_t>(after, 0));
  }
  if (const Json* given = call.parameters.find("limit")) {
    CO_TRY(limit, given->integer());
  }
  if (const Json* given = call.parameters.find("action")) {
    CO_TRY(filter.action, given->text());
  }
  if (const Json* given = call.parameters.find("subject")) {
    CO_TRY(filter.subject, given->text());
  }
  filter.limit = static_cast<std::size_t>(std::clamp<std::int64_t>(limit, 1, kMaxAuditPage));
  CO_TRY_VOID(co_await call.core.walk_audit(false));
  AuditWalk& walk = call.core.audit_walk();
  Json::Object out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto page, records.audit().list(filter));
    Json::Array entries;
    for (const records::AuditEntry& entry : page) entries.push_back(audit_entry_json(entry));
    TRY(auto head, records.audit().head());
    Json head_json;
    if (head) head_json = Json::Object{{"sequence", head->sequence}, {"hash", codec::encode_hex(head->hash)}};
    // What was appended since, and the rows that are shown, whatever was verified before.
    TRY_VOID(walk.go_on(records));
    TRY_VOID(walk.check(records, page));
    out = {{"entries", std::move(entries)}, {"head", head_json}, {"verified", true}, {"broken_at", nullptr}};
    return {};
  }));
  if (const auto broken = walk.broken_at()) {
    out.insert_or_assign("verified", false);
    out.insert_or_assign("broken_at", *broken);
  }
  co_return Json(std::move(out));
}

AdminAnswer audit_verify(AdminCall call) {
  CO_TRY_VOID(co_await call.core.walk_audit(true));
  const AuditWalk& walk = call.core.audit_walk();
  const auto broken = walk.broken_at();
  co_return Json(Json::Object{{"entries", walk.sequence()},
                              {"head", codec::encode_hex(walk.hash())},
                              {"verified", !broken},
                              {"broken_at", broken ? Json(*broken) : Json()}});
}

AdminAnswer pki_tree(AdminCall call) {
  const Installation& installation = call.core.installation();
  Json::Object out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(const auto crls, parse_crls(installation.root_crl_ders()));
    Json::Array authorities;
    TRY(auto root, authority_json(records, CaName("root"), installation.root(), false, call.now()));
    authorities.push_back(std::move(root));
    for (const auto& [name, certificate] : installation.cas()) {
      const bool revoked =
          std::ranges::any_of(crls, [&](const pki::Crl& crl) { return crl.find(certificate.serial()) != nullptr; });
      TRY(auto shown, authority_json(records, name, certificate, revoked, call.now()));
      authorities.push_back(std::move(shown));
    }
    TRY(auto signers, signers_json(records, installation, call.now()));
    Json::Array older_crls;
    for (const pki::Crl& crl : std::span(crls).subspan(1)) older_crls.push_back(crl_json(crl));
    out = {{"authorities", std::move(authorities)},
           {"replaced", replaced_list(installation, crls)},
           {"root_crl", crl_json(crls.front())},
           {"older_root_crls", std::move(older_crls)},
           {"ocsp_signers", std::move(signers)}};
    return {};
  }));
  co_return Json(std::move(out));
}

namespace {

// CRLs as they are to be kept: one for every root, in the order of the roots; absent where a root has none.
using CrlsByRoot = std::vector<std::optional<pki::Crl>>;

Result<CrlsByRoot> read_present_crls(const Installation& installation) {
  TRY(const auto crls, installation.read_root_crls());
  return pki::newest_crls(installation.anchors(), crls, pki::TimeRule::floor(UnixTime(0)));
}

bool is_of_another_root(pki::Reason reason) {
  return reason == pki::Reason::key_id_mismatch || reason == pki::Reason::issuer_mismatch;
}

// Puts a CRL into the place of its root; returns whether that root is one of ours. A root's folder may have signed for
// roots that are not installed yet, or not any more.
Result<bool> place_crl(CrlsByRoot& crls, const pki::Crl& crl, const Installation& installation, UnixTime now) {
  std::optional<Error> why;
  for (std::size_t i = 0; i < crls.size(); ++i) {
    const std::uint64_t least = crls[i] ? crls[i]->number() : 0;
    auto verified = pki::verify_crl(crl, installation.anchors()[i], pki::TimeRule::clock(now), least);
    if (verified) {
      crls[i] = crl;
      return true;
    }
    if (!is_of_another_root(verified.error().reason)) why = Error(std::move(verified).error());
  }
  if (why) return std::unexpected(*std::move(why));
  return false;
}

Result<void> record_crl(Records& records, const pki::Crl& crl, const AdminCall& call) {
  for (const pki::RevokedEntry& entry : crl.entries()) {
    const auto known = records.certificates().revoke(CaName("root"), to_record_serial(entry.serial), entry.revoked_at,
                                                     records::RevocationReason::ca_compromise);
    if (!known && known.error().code != Errc::not_found) return known;
  }
  TRY_VOID(disable_sites_of_crl(records, crl, call.now(), call.request.actor));
  return append_audit(records, call.now(), call.request.actor, "root.crl-installed", "root",
                      {{"number", crl.number()}, {"revoked", std::uint64_t{crl.entries().size()}}});
}

}  // namespace

AdminAnswer root_install_crl(AdminCall call) {
  CO_TRY(auto pem, call.parameters.text_at("crl"));
  CO_TRY(const auto blocks, codec::parse_pem(pem));
  const Installation& installation = call.core.installation();
  CO_TRY(auto crls, read_present_crls(installation));
  std::vector<pki::Crl> given;
  for (const codec::PemBlock& block : blocks) {
    if (block.label != "X509 CRL") co_return fail(Errc::malformed, "root CRL: found something else than CRLs");
    CO_TRY(auto crl, pki::parse_crl(block.content));
    CO_TRY(const bool placed, place_crl(crls, crl, installation, call.now()));
    if (placed) given.push_back(std::move(crl));
  }
  if (blocks.empty()) co_return fail(Errc::malformed, "root CRL: found none");
  if (given.empty()) co_return fail(Errc::unauthorized, "root CRL: found another issuer, want the CA's own CRL");
  const auto work = [call, crls, given](Records& records) -> Result<void> {
    for (const pki::Crl& crl : given) TRY_VOID(record_crl(records, crl, call));
    TRY_VOID(keep_root_crls(records, crls));
    return records.raise_change_number();
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  CO_TRY_VOID(call.core.reload_installation());
  call.core.feed().changed();
  CO_TRY_VOID(co_await call.core.until_in_force());
  co_return Json(Json::Object{{"number", given.front().number()}});
}

AdminAnswer certificate_revoke(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"ca", "serial", "reason"}));
  CO_TRY(auto ca, call.parameters.text_at("ca"));
  CO_TRY(auto serial_hex, call.parameters.text_at("serial"));
  CO_TRY(auto serial, pki::SerialNumber::parse_hex(serial_hex));
  CO_TRY(auto reason_text, call.parameters.text_at("reason"));
  CO_TRY(auto reason, parse_revocation_reason(reason_text));
  const auto work = [call, ca, serial, reason](Records& records) -> Result<void> {
    TRY_VOID(records.certificates().revoke(CaName(ca), to_record_serial(serial), call.now(), reason));
    return append_audit(records, call.now(), call.request.actor, "certificate.revoked", serial.hex(),
                        {{"ca", ca}, {"reason", to_string(reason)}});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  CO_TRY_VOID(co_await call.core.until_in_force());
  co_return Json(Json::Object{{"ca", ca}, {"serial", serial.hex()}});
}

AdminAnswer clock_show(AdminCall call) {
  std::optional<UnixTime> latest;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(latest, latest_issuance(records));
    return {};
  }));
  co_return Json(Json::Object{{"now", to_iso8601(call.now())},
                              {"latest_issuance", time_json(latest)},
                              {"behind", latest && call.now() + kClockTolerance < *latest}});
}

AdminAnswer clock_accept(AdminCall call) {
  const auto work = [call](Records& records) -> Result<void> {
    TRY(auto latest, latest_issuance(records));
    TRY_VOID(accept_issuance_clock(records, call.now()));
    return append_audit(records, call.now(), call.request.actor, "clock.accepted", "authority",
                        {{"latest_issuance", time_json(latest)}});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  co_return co_await clock_show(std::move(call));
}

}  // namespace sallyport::authority
