// status.show, crl.get: whether devices can have their servers checked, and by what.
#include <algorithm>

#include "authority/detail/admin_methods.h"
#include "authority/expiry.h"
#include "codec/text.h"
#include "records/installation_values.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::CaName;

Json counts_json(const std::vector<records::StatusCount>& counts) {
  Json::Object out;
  for (const records::StatusCount& each : counts) out.emplace(each.kind, each.count);
  return out;
}

Json signer_json(const records::StatusReport::Signer& signer) {
  return Json::Object{{"ca", signer.ca.get()},
                      {"serial", codec::encode_hex(signer.serial.get())},
                      {"not_before", to_iso8601(signer.not_before)},
                      {"not_after", to_iso8601(signer.not_after)},
                      {"renews_at", to_iso8601(signer.renews_at)}};
}

// The CAs about whose certificates a host should answer: the online ones, and those that they have replaced until those
// end.
std::vector<CaName> answered_cas(const Installation& installation, UnixTime now) {
  std::vector<CaName> out = records::online_ca_names();
  for (const auto& [name, certificate] : installation.older_cas()) {
    if (certificate.validity().not_after > now) out.push_back(name);
  }
  return out;
}

Json missing_signers_json(const records::StatusReport& report, const Installation& installation, UnixTime now) {
  Json::Array out;
  for (const CaName& ca : answered_cas(installation, now)) {
    const auto found = std::ranges::find(report.signers, ca, &records::StatusReport::Signer::ca);
    if (found == report.signers.end() || found->not_after <= now) out.emplace_back(ca.get());
  }
  return out;
}

Json snapshot_json(const StatusHost& host, std::uint64_t newest) {
  const records::StatusReport& report = host.report;
  const std::uint64_t number = host.confirmed_number();
  return Json::Object{{"number", number},
                      {"behind", newest > number ? newest - number : 0},
                      {"issued_at", to_iso8601(report.snapshot_issued_at)},
                      {"current_at", host.leased_at ? Json(to_iso8601(*host.leased_at)) : Json()}};
}

Json host_json(const StatusHost& host, const Installation& installation, std::uint64_t newest, UnixTime now) {
  const records::StatusReport& report = host.report;
  Json::Array signers;
  for (const auto& each : report.signers) signers.push_back(signer_json(each));
  Json::Array crls;
  for (const auto& each : report.crls) {
    crls.emplace_back(
        Json::Object{{"ca", each.ca.get()}, {"number", each.number}, {"next_update", to_iso8601(each.next_update)}});
  }
  return Json::Object{{"host", report.host},
                      {"state", to_string(host.state(now))},
                      {"reported_at", to_iso8601(host.reported_at)},
                      {"counting_since", to_iso8601(report.counting_since)},
                      {"snapshot", snapshot_json(host, newest)},
                      {"answers", counts_json(report.answers)},
                      {"refusals", counts_json(report.refusals)},
                      {"signers", std::move(signers)},
                      {"missing_signers", missing_signers_json(report, installation, now)},
                      {"crls", std::move(crls)}};
}

Json root_crl_json(const RootCrlLink& each, UnixTime now) {
  return Json::Object{{"name", each.link.name},
                      {"number", each.crl.number()},
                      {"this_update", to_iso8601(each.crl.this_update())},
                      {"next_update", to_iso8601(each.crl.next_update())},
                      {"due_at", to_iso8601(each.link.due_at())},
                      {"stage", to_string(each.link.stage(now))},
                      {"remedy", each.link.remedy()},
                      {"entries", std::uint64_t{each.crl.entries().size()}},
                      {"bytes", std::uint64_t{each.crl.der().size()}}};
}

Json crl_json(const CrlKeeper::Made& made, const Installation& installation) {
  return Json::Object{{"ca", made.ca.get()},
                      {"number", made.number},
                      {"this_update", to_iso8601(made.this_update)},
                      {"next_update", to_iso8601(made.next_update)},
                      {"entries", made.entries},
                      {"bytes", made.bytes},
                      {"url", installation.crl_url(made.ca)}};
}

// A root's by the name that root_crl_json gives it, whole; any other in portions.
Result<records::CrlPortion> find_portion(Core& core, const records::CrlRequest& wanted) {
  if (records::base_name(wanted.ca).get() != "root") return core.crls().portion(wanted);
  TRY(const auto roots, list_root_crl_links(core.installation()));
  for (const RootCrlLink& each : roots) {
    if (each.link.name != wanted.ca.get()) continue;
    if (wanted.index != 0) return failf(Errc::conflict, "CRL: portion {} of 1", wanted.index);
    return records::CrlPortion{.number = each.crl.number(), .count = 1, .bytes = to_bytes(each.crl.der())};
  }
  return failf(Errc::not_found, "CRL: none of '{}' here", wanted.ca.get());
}

}  // namespace

AdminAnswer status_show(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({}));
  const Installation& installation = call.core.installation();
  const UnixTime now = call.now();
  CO_TRY(const auto heads, call.core.find_heads());
  Json::Array hosts;
  for (const StatusHost& host : call.core.status_hosts().list(now)) {
    hosts.push_back(host_json(host, installation, heads.change_number, now));
  }
  CO_TRY(const auto roots, list_root_crl_links(installation));
  Json::Array root_crls;
  for (const RootCrlLink& each : roots) root_crls.push_back(root_crl_json(each, now));
  Json::Array crls;
  for (const CrlKeeper::Made& made : call.core.crls().made()) crls.push_back(crl_json(made, installation));
  co_return Json(Json::Object{{"now", to_iso8601(now)},
                              {"snapshot_number", heads.change_number},
                              {"hosts", std::move(hosts)},
                              {"root_crls", std::move(root_crls)},
                              {"crls", std::move(crls)}});
}

AdminAnswer crl_get(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"ca", "index"}));
  CO_TRY(auto ca, call.parameters.text_at("ca"));
  std::int64_t index = 0;
  if (const Json* given = call.parameters.find("index")) {
    CO_TRY(index, given->integer());
  }
  constexpr std::int64_t kMostPortions = pki::kMaxCrlBytes / records::kCrlPortionSize;
  if (index < 0 || index > kMostPortions)
    co_return failf(Errc::malformed, "index: found {}, want 0 to {}", index, kMostPortions);
  const records::CrlRequest wanted{
      .ca = CaName(std::move(ca)), .have_number = 0, .index = static_cast<std::uint32_t>(index)};
  CO_TRY(const auto portion, find_portion(call.core, wanted));
  co_return Json(Json::Object{
      {"number", portion.number}, {"count", portion.count}, {"data", codec::encode_base64(portion.bytes)}});
}

}  // namespace sallyport::authority
