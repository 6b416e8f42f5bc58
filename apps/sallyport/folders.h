// Files and folders that several commands read and write.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "command.h"
#include "keystore/state_folder.h"
#include "pki/certificate.h"
#include "pki/crl.h"
#include "pki/csr.h"

namespace sallyport::cli {

inline constexpr std::size_t kMaxSmallFile = 64U << 10U;

// Makes a folder and its parents. Errc::unavailable.
Result<void> make_folder(const std::filesystem::path& folder);

Result<void> write_certificate(const std::filesystem::path& path, const pki::Certificate& certificate);
// Errors begin with the file's name.
Result<pki::Certificate> read_certificate(const std::filesystem::path& path);
Result<pki::Crl> read_crl(const std::filesystem::path& path);
// The CRLs of several roots in one file, the newest root's first; at least one. And the text of such a file.
Result<std::vector<pki::Crl>> read_crls(const std::filesystem::path& path);
std::string encode_crls_pem(std::span<const pki::Crl> crls);
// Certificates one after another; none when there is no such file.
Result<std::vector<pki::Certificate>> read_certificates(const std::filesystem::path& path);
// Removes a file, or a folder with all that is in it; nothing there is no error. Errc::unavailable.
Result<void> discard(const std::filesystem::path& path);
Result<void> write_certificates(const std::filesystem::path& path, std::span<const pki::Certificate> certificates);
// PEM or DER.
Result<pki::CertificateRequest> read_request(const std::filesystem::path& path);

// Prints the fingerprint of the key of each request (*.csr) of a folder, a line each, as 'root sign' shows it: it is
// read aloud there.
Result<void> print_request_keys(const std::filesystem::path& folder);

// Opens a state folder; what is wrong with it becomes ExitStatus::state.
Try<keystore::StateFolder> open_state(const std::filesystem::path& path, const keystore::StateFormat& format);
// Whether open_state would know the folder; takes no lock.
Outcome check_state(const std::filesystem::path& path, const keystore::StateFormat& format);
Try<keystore::StateFolder> open_or_create_state(const std::filesystem::path& path, const keystore::StateFormat& format);

}  // namespace sallyport::cli
