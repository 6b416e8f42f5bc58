// The signature over a ledger's head.
#pragma once

#include "pki/ledger.h"

namespace sallyport::pki::detail {

// Whether the key of `site_ca` signed the head of `ledger`, which has at least one entry.
bool is_signed_by(const LedgerExport& ledger, const Certificate& site_ca);

// The fields of a ledger export, for whoever writes it and for whoever looks at what does not parse whole.
struct LedgerExportField {
  enum : std::uint16_t { site = 1, permit_number, entry, certificate_der, exported_at, signature };
};

}  // namespace sallyport::pki::detail
