#include "pki/oids.h"

#include <fmt/format.h>

namespace sallyport::pki::oid {

const Oid common_name = Oid::of("2.5.4.3");
const Oid organization_name = Oid::of("2.5.4.10");
const Oid email_address = Oid::of("1.2.840.113549.1.9.1");

const Oid subject_key_identifier = Oid::of("2.5.29.14");
const Oid key_usage = Oid::of("2.5.29.15");
const Oid subject_alternative_name = Oid::of("2.5.29.17");
const Oid basic_constraints = Oid::of("2.5.29.19");
const Oid name_constraints = Oid::of("2.5.29.30");
const Oid crl_distribution_points = Oid::of("2.5.29.31");
const Oid certificate_policies = Oid::of("2.5.29.32");
const Oid authority_key_identifier = Oid::of("2.5.29.35");
const Oid extended_key_usage = Oid::of("2.5.29.37");
const Oid authority_information_access = Oid::of("1.3.6.1.5.5.7.1.1");
const Oid hash_of_root_key = Oid::of("1.3.6.1.4.1.51483.2.1");

const Oid crl_number = Oid::of("2.5.29.20");
const Oid reason_code = Oid::of("2.5.29.21");
const Oid invalidity_date = Oid::of("2.5.29.24");
const Oid delta_crl_indicator = Oid::of("2.5.29.27");

const Oid ad_ocsp = Oid::of("1.3.6.1.5.5.7.48.1");
const Oid ad_ca_issuers = Oid::of("1.3.6.1.5.5.7.48.2");
const Oid ocsp_basic = Oid::of("1.3.6.1.5.5.7.48.1.1");
const Oid ocsp_nonce = Oid::of("1.3.6.1.5.5.7.48.1.2");
const Oid ocsp_crl = Oid::of("1.3.6.1.5.5.7.48.1.3");
const Oid ocsp_root_crl_numbers = Oid::of(fmt::format("{}.3.1", kSallyportArc));
const Oid ocsp_no_check = Oid::of("1.3.6.1.5.5.7.48.1.5");

const Oid eku_server_auth = Oid::of("1.3.6.1.5.5.7.3.1");
const Oid eku_client_auth = Oid::of("1.3.6.1.5.5.7.3.2");
const Oid eku_ocsp_signing = Oid::of("1.3.6.1.5.5.7.3.9");
const Oid eku_any = Oid::of("2.5.29.37.0");

const Oid extension_request = Oid::of("1.2.840.113549.1.9.14");
const Oid challenge_password = Oid::of("1.2.840.113549.1.9.7");
const Oid pkcs7_data = Oid::of("1.2.840.113549.1.7.1");
const Oid pkcs7_signed_data = Oid::of("1.2.840.113549.1.7.2");

const Oid sha1 = Oid::of("1.3.14.3.2.26");
const Oid sha256 = Oid::of("2.16.840.1.101.3.4.2.1");

const Oid ecdsa_with_sha256 = Oid::of("1.2.840.10045.4.3.2");
const Oid ecdsa_with_sha384 = Oid::of("1.2.840.10045.4.3.3");
const Oid ed25519 = Oid::of("1.3.101.112");
const Oid rsa_sha256 = Oid::of("1.2.840.113549.1.1.11");
const Oid rsa_sha384 = Oid::of("1.2.840.113549.1.1.12");
const Oid rsa_sha512 = Oid::of("1.2.840.113549.1.1.13");
const Oid rsa_pss = Oid::of("1.2.840.113549.1.1.10");
const Oid mgf1 = Oid::of("1.2.840.113549.1.1.8");

const Oid ec_public_key = Oid::of("1.2.840.10045.2.1");
const Oid secp256r1 = Oid::of("1.2.840.10045.3.1.7");

}  // namespace sallyport::pki::oid
