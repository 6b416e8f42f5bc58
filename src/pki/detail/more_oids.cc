#include "pki/detail/more_oids.h"

namespace sallyport::pki::oid {

const Oid subject_directory_attributes = Oid::of("2.5.29.9");
const Oid issuer_alternative_name = Oid::of("2.5.29.18");
const Oid issuing_distribution_point = Oid::of("2.5.29.28");
const Oid certificate_issuer = Oid::of("2.5.29.29");
const Oid any_policy = Oid::of("2.5.29.32.0");
const Oid policy_mappings = Oid::of("2.5.29.33");
const Oid policy_constraints = Oid::of("2.5.29.36");
const Oid freshest_crl = Oid::of("2.5.29.46");
const Oid inhibit_any_policy = Oid::of("2.5.29.54");
const Oid subject_information_access = Oid::of("1.3.6.1.5.5.7.1.11");

}  // namespace sallyport::pki::oid
