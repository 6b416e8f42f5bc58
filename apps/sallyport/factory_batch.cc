#include "factory_batch.h"

#include <algorithm>
#include <array>

#include "folders.h"
#include "keystore/file.h"

namespace sallyport::cli {
namespace {

std::filesystem::path beside(std::filesystem::path request) {
  return request.replace_extension(".pem");
}

}  // namespace

Result<std::vector<factory::BatchRow>> list_batch_folder(const std::filesystem::path& folder) {
  std::vector<factory::BatchRow> rows;
  std::error_code failure;
  for (std::filesystem::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    if (at->path().extension() != ".csr") continue;
    if (rows.size() == factory::kMaxBatch)
      return failf(Errc::overloaded, "{}: found more than {} requests", folder.string(), factory::kMaxBatch);
    rows.push_back({.label = at->path().filename().string(),
                    .serial_id = std::nullopt,
                    .request = at->path(),
                    .certificate = beside(at->path())});
  }
  if (failure) return failf(Errc::not_found, "{}: {}", folder.string(), failure.message());
  std::ranges::sort(rows, {}, &factory::BatchRow::request);
  return rows;
}

Result<factory::Issued> FactoryBatch::issue(const factory::BatchRow& row) {
  TRY(const auto request, read_request(row.request));
  TRY(auto issued, station_.issue(request, row.serial_id));
  TRY_VOID(write_device_chain(row.certificate, issued, ca_));
  return issued;
}

Result<void> FactoryBatch::run(const factory::BatchRow& row, const Issued& issued) {
  const std::uint64_t before = station_.ledger().head().sequence;
  const auto done = issue(row);
  const auto told = done ? issued(*done) : Result<void>(std::unexpected(done.error()));
  if (!told) {
    ++count_.refused;
    return std::unexpected(told.error());
  }
  ++(done->entry.sequence > before ? count_.issued : count_.again);
  return {};
}

Result<void> write_device_chain(const std::filesystem::path& path, const factory::Issued& issued,
                                const pki::Certificate& ca) {
  TRY(const auto certificate, pki::parse_certificate(issued.certificate));
  const std::array chain{certificate, ca};
  return keystore::atomic_write_file(path, as_bytes(pki::encode_certificates_pem(chain)), keystore::kPublicMode);
}

}  // namespace sallyport::cli
