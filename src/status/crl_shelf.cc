#include "status/crl_shelf.h"

#include <utility>

#include "codec/text.h"
#include "crypto/hash.h"

namespace sallyport::status {

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
