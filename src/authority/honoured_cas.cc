#include "authority/honoured_cas.h"

#include <algorithm>

#include "authority/issuance.h"
#include "codec/tlv.h"

namespace sallyport::authority {
namespace {

constexpr std::string_view kValue = "honoured-cas";
constexpr std::uint16_t kEntry = 1;

Result<void> put(records::Records& records, const std::vector<HonouredCa>& all) {
  if (all.size() > records::kMaxOlderCas)
    return failf(Errc::overloaded, "honoured CAs: {}, want at most {}", all.size(), records::kMaxOlderCas);
  codec::TlvWriter writer;
  for (const HonouredCa& each : all) {
    writer.bytes(kEntry,
                 Writer().u64(static_cast<std::uint64_t>(each.issued_before.since_epoch())).text(each.ca.get()).take());
  }
  return records.put_value(kValue, writer.take());
}

Result<void> refuse(std::string_view why) {
  return failf(Errc::unauthorized, "renewal: its CA is revoked, and {}", why);
}

}  // namespace

Result<std::vector<HonouredCa>> list_honoured_cas(records::Records& records) {
  TRY(const auto stored, records.find_value(kValue));
  std::vector<HonouredCa> out;
  if (!stored) return out;
  codec::TlvReader reader(*stored, "honoured CAs");
  TRY(const auto entries, reader.repeated(kEntry, records::kMaxOlderCas));
  for (const ByteView view : entries) {
    Reader entry(view);
    TRY(const auto before, entry.u64());
    out.push_back({.ca = records::CaName(std::string(as_text(entry.rest()))),
                   .issued_before = UnixTime(static_cast<std::int64_t>(before))});
  }
  TRY_VOID(reader.finish());
  return out;
}

Result<void> honour_ca(records::Records& records, const HonouredCa& honoured) {
  TRY(auto all, list_honoured_cas(records));
  std::erase_if(all, [&](const HonouredCa& each) { return each.ca == honoured.ca; });
  all.push_back(honoured);
  return put(records, all);
}

Result<void> honour_ca_no_more(records::Records& records, const records::CaName& ca) {
  TRY(auto all, list_honoured_cas(records));
  std::erase_if(all, [&](const HonouredCa& each) { return each.ca == ca; });
  return put(records, all);
}

Result<void> check_honoured(records::Records& records, const records::CaName& ca, const pki::Certificate& leaf) {
  TRY(const auto all, list_honoured_cas(records));
  const auto honoured = std::ranges::find(all, ca, &HonouredCa::ca);
  if (honoured == all.end()) return refuse("nothing of it is honoured");
  TRY(const auto record, records.certificates().find(records::base_name(ca), to_record_serial(leaf.serial())));
  const bool is_recorded =
      record && record->state == records::CertificateState::issued && equal(record->der, leaf.der());
  if (!is_recorded) return refuse("this certificate is not the one in the issuance record");
  if (record->recorded_at >= honoured->issued_before) return refuse("this certificate was issued too late");
  return {};
}

Result<pki::VerifiedChain> verify_honoured(const Core& core, std::span<const pki::Certificate> chain, UnixTime at) {
  const Installation& installation = core.installation();
  if (chain.size() < 2) return fail(Errc::malformed, "renewal: a chain without a CA");
  TRY(const auto ca, installation.name_of(chain[1]));
  TRY_VOID(core.read([&](records::Records& records) { return check_honoured(records, ca, chain.front()); }));
  auto verified = pki::verify_chain(chain, installation.anchors(),
                                    pki::OperationalDevicePurpose{installation.facts().zone}, pki::TimeRule::clock(at));
  if (!verified) return std::unexpected(Error(std::move(verified).error()));
  return *std::move(verified);
}

Result<HonouredCounts> count_honoured(records::Records& records, const HonouredCa& honoured,
                                      const pki::Certificate& certificate, UnixTime now) {
  HonouredCounts out;
  TRY_VOID(records.certificates().visit_of_ca(
      records::base_name(honoured.ca), [&](const records::CertificateRecord& record) -> Result<void> {
        const bool counts = record.state == records::CertificateState::issued && record.not_after >= now &&
                            record.kind == records::CertificateKind::operational;
        if (!counts) return {};
        // The visit leaves the certificates themselves out.
        TRY(const auto whole, records.certificates().find(record.ca, record.serial));
        if (!whole) return {};
        TRY(const auto leaf, pki::parse_certificate(whole->der));
        if (leaf.extensions().authority_key_id != certificate.extensions().subject_key_id) return {};
        ++(record.recorded_at < honoured.issued_before ? out.honoured : out.refused);
        return {};
      }));
  return out;
}

}  // namespace sallyport::authority
