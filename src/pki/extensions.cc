#include "pki/extensions.h"

#include <algorithm>

namespace sallyport::pki {

bool Extensions::has_extended_key_usage(const Oid& usage) const {
  return extended_key_usage && std::ranges::find(*extended_key_usage, usage) != extended_key_usage->end();
}

}  // namespace sallyport::pki
