// sallyport factory issue: certificates for requests that devices made, one, a batch, or as they come along the line.
#include <array>
#include <csignal>
#include <ctime>
#include <map>

#include "commands.h"
#include "factory_batch.h"
#include "factory_folder.h"
#include "folders.h"
#include "keystore/file.h"
#include "label_sheet.h"
#include "terminal.h"

namespace sallyport::cli {
namespace {

constexpr milliseconds kLook{500};  // between two looks at a watched folder
constexpr std::size_t kMaxSheet = 5'000;

// Where the line's own programs and printers read what was issued.
class Papers {
 public:
  Papers(SiteName site, std::filesystem::path table, std::optional<std::filesystem::path> labels)
      : site_(std::move(site)), table_path_(std::move(table)), labels_path_(std::move(labels)), sheet_(site_) {}

  Result<void> add(const factory::Issued& issued) {
    table_.add(issued);
    changed_ = true;
    if (!labels_path_) return {};
    if (!is_sheet()) {
      TRY(const auto label, draw_label(site_, issued));
      TRY_VOID(make_folder(*labels_path_));
      return keystore::atomic_write_file(*labels_path_ / (issued.entry.serial_id.get() + ".svg"), as_bytes(label),
                                         keystore::kPublicMode);
    }
    if (++sheet_count_ > kMaxSheet) {
      return failf(Errc::overloaded, "{}: want at most {} labels on a sheet: name a folder instead",
                   labels_path_->string(), kMaxSheet);
    }
    return sheet_.add(issued);
  }
  Result<void> write() {
    if (!changed_) return {};
    changed_ = false;
    TRY_VOID(keystore::atomic_write_file(table_path_, as_bytes(table_.text()), keystore::kPublicMode));
    if (!labels_path_ || !is_sheet()) return {};
    return keystore::atomic_write_file(*labels_path_, as_bytes(sheet_.text()), keystore::kPublicMode);
  }
  const std::filesystem::path& table() const { return table_path_; }

 private:
  bool is_sheet() const { return labels_path_->extension() == ".html"; }

  SiteName site_;
  std::filesystem::path table_path_;
  std::optional<std::filesystem::path> labels_path_;  // *.html: a sheet; else a folder
  LabelTable table_;
  LabelSheet sheet_;
  std::size_t sheet_count_ = 0;
  bool changed_ = true;
};

Outcome issue_one(factory::Station& station, const pki::Certificate& ca, const Arguments& arguments) {
  const auto csr = arguments.find("csr");
  const auto out = arguments.find("out");
  if (!csr || !out)
    return std::unexpected(
        Failure(Error{Errc::malformed, "want --csr FILE and --out FILE, or --batch DIR"}, ExitStatus::usage));
  std::optional<SerialId> serial_id;
  if (const auto text = arguments.find("serial-id")) {
    TRY(serial_id, parse_serial_id(*text));
  }
  TRY(const auto request, read_request(*csr));
  TRY(const auto issued, station.issue(request, serial_id));
  TRY_VOID(write_device_chain(*out, issued, ca));
  fmt::print("{} {} {}\n", issued.entry.sequence, issued.entry.serial_id.get(), issued.entry.certificate_serial.hex());
  return {};
}

Result<std::vector<factory::BatchRow>> read_batch(const std::filesystem::path& batch) {
  std::error_code failure;
  if (std::filesystem::is_directory(batch, failure)) return list_batch_folder(batch);
  TRY(const auto text, keystore::read_file(batch, factory::kMaxBatchFile));
  auto rows = factory::parse_batch_list(as_text(text), batch.parent_path());
  if (!rows) return std::unexpected(std::move(rows).error().at(batch.string()));
  return rows;
}

Papers papers_of(const Arguments& arguments, const factory::Station& station) {
  const std::filesystem::path batch = arguments.path("batch");
  std::error_code failure;
  const bool is_folder = std::filesystem::is_directory(batch, failure);
  const std::filesystem::path beside = (is_folder ? batch : batch.parent_path()) / "labels.csv";
  return {station.status().site, arguments.find("csv").value_or(beside.string()), arguments.find("labels")};
}

Outcome conclude(const BatchCount& count, const Papers& papers, double spent) {
  const double rate = spent > 0 ? static_cast<double>(count.done()) / spent : 0;
  fmt::print("issued {}, again {}, refused {}, labels in {}, {:.0f}/s\n", count.issued, count.again, count.refused,
             papers.table().string(), rate);
  if (count.refused == 0) return {};
  return std::unexpected(
      Failure(Error{Errc::unauthorized, fmt::format("{} of {} requests were refused", count.refused, count.done())}));
}

std::string refusal_line(const factory::BatchRow& row, const Error& error) {
  return fmt::format("sallyport: {}: {}", row.label, error.detail);
}

// One refusal does not hold up the others, unless asked to.
Outcome issue_batch(factory::Station& station, const pki::Certificate& ca, const Arguments& arguments,
                    const Environment& environment) {
  TRY(const auto rows, read_batch(arguments.path("batch")));
  Papers papers = papers_of(arguments, station);
  FactoryBatch batch(station, ca);
  const Instant begun = environment.clock.monotonic();
  {
    Progress progress("issuing", rows.size(), environment.clock);
    for (const factory::BatchRow& row : rows) {
      const auto done = batch.run(row, [&](const factory::Issued& issued) { return papers.add(issued); });
      if (!done) progress.say(refusal_line(row, done.error()));
      progress.advance();
      if (!done && arguments.flag("stop-on-error")) break;
    }
  }
  TRY_VOID(papers.write());
  return conclude(batch.count(), papers, std::chrono::duration<double>(environment.clock.monotonic() - begun).count());
}

// SIGTERM and SIGINT, kept until somebody waits for them.
class Termination {
 public:
  Termination() {
    ::sigemptyset(&signals_);
    ::sigaddset(&signals_, SIGTERM);
    ::sigaddset(&signals_, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~Termination() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  Termination(const Termination&) = delete;
  Termination& operator=(const Termination&) = delete;

  bool came_within(milliseconds limit) const {
    const timespec wait{.tv_sec = limit.count() / 1'000, .tv_nsec = limit.count() % 1'000 * 1'000'000};
    return ::sigtimedwait(&signals_, nullptr, &wait) > 0;
  }

 private:
  sigset_t signals_{};
  sigset_t before_{};
};

// A request as it was when it was looked at: one that is still being written is looked at again.
using Look = std::pair<std::filesystem::file_time_type, std::uintmax_t>;
std::optional<Look> look_at(const std::filesystem::path& path) {
  std::error_code failure;
  const auto time = std::filesystem::last_write_time(path, failure);
  if (failure) return std::nullopt;
  const auto size = std::filesystem::file_size(path, failure);
  if (failure) return std::nullopt;
  return Look{time, size};
}

// Issues for requests as they appear, until SIGTERM or SIGINT.
Outcome watch_folder(factory::Station& station, const pki::Certificate& ca, const Arguments& arguments,
                     const Environment& environment) {
  const std::filesystem::path folder = arguments.path("batch");
  Papers papers = papers_of(arguments, station);
  FactoryBatch batch(station, ca);
  const Termination termination;
  std::map<std::filesystem::path, Look> looks;
  const Instant begun = environment.clock.monotonic();
  fmt::print(stderr, "watching {}; end with Ctrl-C\n", folder.string());
  do {
    TRY(const auto rows, list_batch_folder(folder));
    for (const factory::BatchRow& row : rows) {
      const auto look = look_at(row.request);
      const auto before = looks.find(row.request);
      if (!look || (before != looks.end() && before->second == *look)) continue;
      looks[row.request] = *look;
      const auto take = [&](const factory::Issued& issued) {
        fmt::print("{} {} {}\n", issued.entry.sequence, issued.entry.serial_id.get(),
                   issued.entry.certificate_serial.hex());
        std::fflush(stdout);
        return papers.add(issued);
      };
      if (const auto done = batch.run(row, take); !done) fmt::print(stderr, "{}\n", refusal_line(row, done.error()));
    }
    TRY_VOID(papers.write());
  } while (!termination.came_within(kLook));
  return conclude(batch.count(), papers, std::chrono::duration<double>(environment.clock.monotonic() - begun).count());
}

Outcome factory_issue(const Arguments& arguments, Environment& environment) {
  auto station = open_station(arguments, environment);
  if (!station) return std::unexpected(std::move(station).error());
  const auto ca = station->ca();
  if (!ca)
    return std::unexpected(
        Error{Errc::unauthorized, "station: found no permit: install one with 'sallyport factory permit'"});
  if (!arguments.find("batch")) return issue_one(*station, *ca, arguments);
  if (arguments.flag("watch")) return watch_folder(*station, *ca, arguments, environment);
  return issue_batch(*station, *ca, arguments, environment);
}

}  // namespace

std::vector<Command> factory_issue_commands() {
  return {
      {.words = "factory issue",
       .summary = "issue factory certificates for requests that devices made",
       .example = "sallyport factory issue --factory ./station --batch ./line-3 --labels ./line-3/labels.html",
       .options = {factory_option(),
                   {.name = "csr", .value = "FILE", .help = "the device's request, PEM or DER"},
                   {.name = "out", .value = "FILE", .help = "where certificate and CA certificate are written, PEM"},
                   {.name = "serial-id", .value = "ID", .help = "the device's serial id; from the request without it"},
                   {.name = "batch",
                    .value = "PATH",
                    .help =
                        "issue for every *.csr of a folder, or for a list of lines 'serial id,request[,certificate]'"},
                   {.name = "csv",
                    .value = "FILE",
                    .help = "where a batch's table is written; labels.csv beside the requests without it"},
                   {.name = "labels",
                    .value = "PATH",
                    .help = "labels with QR codes: FILE.html for a sheet, else a folder of one SVG a device"},
                   {.name = "stop-on-error", .value = "", .help = "end a batch at the first request that is refused"},
                   {.name = "watch", .value = "", .help = "stay, and issue for requests as they appear in the folder"}},
       .run = factory_issue},
  };
}

}  // namespace sallyport::cli
