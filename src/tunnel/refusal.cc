#include "tunnel/refusal.h"

namespace sallyport::tunnel {

Alert alert_for(RefuseCode code) {
  const bool denied = code == RefuseCode::consent_denied || code == RefuseCode::remote_access_off ||
                      code == RefuseCode::grant_invalid || code == RefuseCode::grant_expired;
  return denied ? Alert::access_denied : Alert::internal_error;
}

}  // namespace sallyport::tunnel
