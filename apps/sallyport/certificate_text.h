// Certificates for people and for programs: what is in one, in words and as JSON.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "codec/json.h"
#include "pki/path.h"

namespace sallyport::cli {

// A file of certificates or CRLs, of which some may be of no use.
struct CertificateFile {
  std::vector<pki::Certificate> certificates;
  std::vector<Error> unusable;     // one for each block that is no certificate we accept, in order
  bool first_is_unusable = false;  // the first block is one of those
};

// Reads PEM with any number of CERTIFICATE blocks, or one DER certificate. Fails when the file cannot be read or is
// neither; errors begin with the file's name.
Result<CertificateFile> read_certificate_file(const std::filesystem::path& path);
// Reads PEM with X509 CRL blocks, or one DER CRL.
Result<std::vector<pki::Crl>> read_crl_file(const std::filesystem::path& path);

// "CN=gateway, O=Example", or the first alternative name of a certificate without a subject.
std::string title_of(const pki::Certificate& certificate);
// Every name among the alternative names, each with its form: "DNS gateway.example".
std::vector<std::string> names_of(const pki::Certificate& certificate);
// "P-256", "RSA 3072".
std::string key_of(const pki::Certificate& certificate);
// The extensions in words, one line each.
std::vector<std::string> extensions_of(const pki::Certificate& certificate);

// RFC 5280 §5.3.1 spelling: "keyCompromise".
std::string_view name_of(pki::RevocationReason reason);

// Subject, issuer, serial, names, validity, key, fingerprints and extensions.
codec::Json to_json(const pki::Certificate& certificate);

}  // namespace sallyport::cli
