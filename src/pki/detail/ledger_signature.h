// The signature over a ledger's head.
#pragma once

#include "pki/ledger.h"

namespace sallyport::pki::detail {

// Whether the key of `site_ca` signed the head of `ledger`, which has at least one entry.
bool is_signed_by(const LedgerExport& ledger, const Certificate& site_ca);

}  // namespace sallyport::pki::detail
