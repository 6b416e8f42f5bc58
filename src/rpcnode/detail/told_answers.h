// What nodes answer to the built-in methods, as far as it is what docs/api/openapi.yaml says: a node may be of any
// make, or hostile, and pages take the rest on trust. Each fails with Errc::malformed, naming what is missing or of
// another type; members that are not known are left out.
#pragma once

#include "codec/json.h"

namespace sallyport::rpcnode {

// Of `info`: {node, version, you, up_s, methods}.
Result<codec::Json> check_told_info(const codec::Json& told);
// Of `keys.list`: an array of keys.
Result<codec::Json> check_told_keys(const codec::Json& told);
// Of `keys.add` and `keys.rotate`: {key}.
Result<codec::Json> check_told_secret(const codec::Json& told);

}  // namespace sallyport::rpcnode
