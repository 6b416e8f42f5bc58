// The line's work: certificates for many requests, one after the other, each on its own.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "factory/batch_list.h"
#include "factory/station.h"

namespace sallyport::cli {

// Every *.csr of a folder, by name.
Result<std::vector<factory::BatchRow>> list_batch_folder(const std::filesystem::path& folder);

// What became of the rows.
struct BatchCount {
  std::size_t issued = 0;
  std::size_t again = 0;    // had their certificate before, and got the same
  std::size_t refused = 0;  // or issued, but not told to those who print
  std::size_t done() const { return issued + again + refused; }
};

class FactoryBatch {
 public:
  // Called for every certificate that went out, new or again.
  using Issued = std::function<Result<void>(const factory::Issued&)>;

  // Borrows both.
  FactoryBatch(factory::Station& station, const pki::Certificate& ca) : station_(station), ca_(ca) {}

  // Issues one and writes its chain. The station has it in its ledger before the file exists; a row that was done
  // before ends the same.
  Result<void> run(const factory::BatchRow& row, const Issued& issued);
  const BatchCount& count() const { return count_; }

 private:
  Result<factory::Issued> issue(const factory::BatchRow& row);

  factory::Station& station_;
  const pki::Certificate& ca_;
  BatchCount count_;
};

// Writes a device's certificate and its CA's, as the agent installs them.
Result<void> write_device_chain(const std::filesystem::path& path, const factory::Issued& issued,
                                const pki::Certificate& ca);

}  // namespace sallyport::cli
