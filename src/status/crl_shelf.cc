#include "status/crl_shelf.h"

#include <algorithm>
#include <utility>

#include "codec/text.h"
#include "crypto/hash.h"
#include "records/installation_values.h"

namespace sallyport::status {

ListNames name_lists(const std::vector<records::SnapshotCa>& cas) {
  const auto& online = records::online_ca_names();
  ListNames out;
  std::map<std::string, UnixTime, std::less<>> oldest;
  for (const records::SnapshotCa& ca : cas) {
    const records::CaName base = records::base_name(ca.name);
    if (std::ranges::find(online, base) == online.end()) continue;
    const auto certificate = pki::parse_certificate(ca.certificate);
    if (!certificate) continue;
    const Bytes key_id = certificate->extensions().subject_key_id.value_or(Bytes());
    out.insert_or_assign(base.get() + "-" + codec::encode_hex(key_id), ca.name);
    const UnixTime made = certificate->validity().not_before;
    const auto [known, is_first] = oldest.try_emplace(base.get(), made);
    // Two of the same second: the one that was replaced is the older.
    if (!is_first && (made > known->second || (made == known->second && !records::is_older(ca.name)))) continue;
    known->second = made;
    out.insert_or_assign(base.get(), ca.name);
  }
  return out;
}

Result<void> CrlShelf::put(const records::CaName& ca, const pki::Certificate& issuer, Bytes der, UnixTime now) {
  TRY(const auto crl, pki::parse_crl(der));
  TRY_VOID(pki::verify_crl(crl, issuer, pki::TimeRule::clock(now), number_of(ca) + 1));
  ServedCrl next{.number = crl.number(),
                 .der = nullptr,
                 .etag = "\"" + codec::encode_hex(crypto::sha256(der)) + "\"",
                 .next_update = crl.next_update()};
  next.der = std::make_shared<const Bytes>(std::move(der));
  lists_.insert_or_assign(ca, std::move(next));
  return {};
}

const ServedCrl* CrlShelf::find(const records::CaName& ca) const {
  const auto found = lists_.find(ca);
  return found == lists_.end() ? nullptr : &found->second;
}

std::uint64_t CrlShelf::number_of(const records::CaName& ca) const {
  const ServedCrl* list = find(ca);
  return list == nullptr ? 0 : list->number;
}

}  // namespace sallyport::status
