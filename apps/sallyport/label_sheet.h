// What is printed on devices: CSV (RFC 4180) with a header, one line a device.
#pragma once

#include <string>

#include "codec/text.h"
#include "factory/ledger_file.h"

namespace sallyport::cli {

class LabelSheet {
 public:
  // No field needs quoting: ids are LDH labels, numbers are decimal or hexadecimal.
  void add(const factory::Issued& issued) {
    text_ += fmt::format("{},{},{},{}\r\n", issued.entry.sequence, issued.entry.serial_id.get(),
                         issued.entry.certificate_serial.hex(), codec::encode_hex(issued.entry.spki));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_ = "sequence,serial_id,certificate_serial,key_sha256\r\n";
};

}  // namespace sallyport::cli
