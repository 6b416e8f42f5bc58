// What is printed on devices: a table for the line's own programs, and labels with a QR code.
#pragma once

#include <filesystem>
#include <string>

#include "factory/ledger_file.h"

namespace sallyport::cli {

// CSV (RFC 4180) with a header, one line a device. No field needs quoting: ids are LDH labels, numbers are decimal or
// hexadecimal, times ISO 8601.
class LabelTable {
 public:
  void add(const factory::Issued& issued);
  const std::string& text() const { return text_; }

 private:
  std::string text_ = "sequence,serial_id,certificate_serial,key_sha256,certificate_sha256,issued_at\r\n";
};

// What the QR code of a label says: "SALLYPORT:<SITE>/<SERIAL ID>/<first 16 octets of the key's SHA-256, hexadecimal>",
// all in capitals, so that it fits the code's alphanumeric mode (ISO/IEC 18004).
std::string label_code(const SiteName& site, const factory::Issued& issued);

// One label as an SVG document of 70 by 37 mm: QR code, serial id, site, and the first octets of the key's hash.
// Errc::internal when the code cannot be drawn.
Result<std::string> draw_label(const SiteName& site, const factory::Issued& issued);

// A page for the printer: 24 labels of 70 by 37 mm to a sheet of A4, as HTML that needs nothing else.
class LabelSheet {
 public:
  explicit LabelSheet(SiteName site) : site_(std::move(site)) {}
  Result<void> add(const factory::Issued& issued);
  std::string text() const;

 private:
  SiteName site_;
  std::string labels_;
};

}  // namespace sallyport::cli
