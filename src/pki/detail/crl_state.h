// What a Crl shares among its copies. The views point into `der`, which never moves.
#pragma once

#include <optional>
#include <vector>

#include "pki/crl.h"

namespace sallyport::pki {

struct Crl::State {
  Bytes der;
  ByteView tbs;
  ByteView signature;
  crypto::SignatureScheme scheme{};
  DistinguishedName issuer;
  UnixTime this_update;
  UnixTime next_update;
  std::optional<std::uint64_t> number;
  std::optional<std::uint64_t> delta_base;
  std::optional<Bytes> authority_key_id;
  std::vector<RevokedEntry> entries;  // of certificates of `issuer`
  std::optional<IssuingDistributionPoint> distribution_point;

  // Entries of an indirect CRL that are about somebody else's certificates.
  struct ForeignEntry {
    std::size_t issuer = 0;  // index into foreign_issuers
    RevokedEntry entry;
  };
  std::vector<DistinguishedName> foreign_issuers;
  std::vector<ForeignEntry> foreign;
};

}  // namespace sallyport::pki
