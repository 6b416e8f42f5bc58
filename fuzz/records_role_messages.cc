// Input: method u16, then the fields of one message between roles.
#include <cstdint>

#include "records/role_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::records;
  sallyport::ByteView body(data, size);
  const auto method = take_method(body);
  if (!method) return 0;
  switch (*method % 16) {
    case 0:
      static_cast<void>(parse_subscribe(body));
      break;
    case 1:
      static_cast<void>(parse_snapshot_event(body));
      break;
    case 2:
      static_cast<void>(parse_lease_event(body));
      break;
    case 3:
      static_cast<void>(parse_cut_event(body));
      break;
    case 4:
      static_cast<void>(parse_role_certificate_request(body));
      break;
    case 5:
      static_cast<void>(parse_ocsp_signer_request(body));
      break;
    case 6:
      static_cast<void>(parse_certificate_chain(body));
      break;
    case 7:
      static_cast<void>(parse_enrol_request(body));
      break;
    case 8:
      static_cast<void>(parse_renew_request(body));
      break;
    case 9:
      static_cast<void>(parse_claim_hash(body));
      break;
    case 10:
      static_cast<void>(parse_find_certificate(body));
      break;
    case 11:
      static_cast<void>(parse_presence(body));
      break;
    case 12:
      static_cast<void>(parse_access_session_report(body));
      break;
    case 13:
      static_cast<void>(parse_alarm(body));
      break;
    case 14:
      static_cast<void>(parse_admin_request(body));
      break;
    default:
      static_cast<void>(parse_snapshot_portion_request(body));
      static_cast<void>(parse_renewal_windows(body));
      break;
  }
  return 0;
}
