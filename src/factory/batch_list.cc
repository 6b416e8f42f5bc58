#include "factory/batch_list.h"

#include <algorithm>

namespace sallyport::factory {
namespace {

constexpr std::string_view kHeader = "serial_id,csr";

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), end + 1));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> cells;
  for (;;) {
    const std::size_t comma = line.find(',');
    cells.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

std::filesystem::path beside(std::filesystem::path request) {
  return request.replace_extension(".pem");
}

Result<BatchRow> parse_row(std::string_view line, std::size_t number, const std::filesystem::path& folder) {
  const auto cells = split(line);
  const bool sound = (cells.size() == 2 || cells.size() == 3) && !cells[1].empty() && !line.contains('"');
  if (!sound) return failf(Errc::malformed, "line {}: want serial id, request and perhaps certificate", number);
  BatchRow row;
  if (!cells[0].empty()) {
    auto serial_id = parse_serial_id(cells[0]);
    if (!serial_id) return std::unexpected(std::move(serial_id).error().at(fmt::format("line {}", number)));
    row.serial_id = *std::move(serial_id);
  }
  row.label = fmt::format("line {} ({})", number, cells[0].empty() ? cells[1] : cells[0]);
  row.request = folder / cells[1];
  row.certificate = cells.size() == 3 && !cells[2].empty() ? folder / cells[2] : beside(row.request);
  return row;
}

}  // namespace

Result<std::vector<BatchRow>> parse_batch_list(std::string_view text, const std::filesystem::path& folder) {
  std::vector<BatchRow> rows;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    if (line.empty() || (number == 1 && line.starts_with(kHeader))) continue;
    if (rows.size() == kMaxBatch) return failf(Errc::overloaded, "line {}: want at most {} rows", number, kMaxBatch);
    TRY(auto row, parse_row(line, number, folder));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sallyport::factory
