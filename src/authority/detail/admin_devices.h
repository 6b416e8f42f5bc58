// What the methods about one device share.
#pragma once

#include <vector>

#include "authority/detail/admin_methods.h"

namespace sallyport::authority {

Error no_such_device();
// The device that the parameters name, by `name`, or by `site` and `serial_id`, if the caller may see it.
Result<records::DeviceRecord> find_device(const AdminCall& call, records::Records& records);
// The device as it is shown.
Result<codec::Json> read_device(const AdminCall& call, const SiteName& site, const SerialId& serial_id);
// Every certificate of the device: operational and web, then factory.
Result<std::vector<records::CertificateRecord>> certificates_of(records::Records& records,
                                                                const records::DeviceRecord& device);

}  // namespace sallyport::authority
