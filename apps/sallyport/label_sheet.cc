#include "label_sheet.h"

#include <qrencode.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "codec/text.h"

namespace sallyport::cli {
namespace {

// Millimetres.
constexpr int kLabelWidth = 70;
constexpr int kLabelHeight = 37;
constexpr int kCodeSide = 31;
constexpr int kMargin = 3;
// The quiet zone around a QR code, in modules (ISO/IEC 18004 §6.3.8).
constexpr int kQuietModules = 4;
constexpr std::size_t kCodeKeyOctets = 16;
constexpr std::size_t kShownKeyOctets = 8;
constexpr std::size_t kLongLine = 17;  // characters of a serial id that fit beside the code at full size

struct QrFree {
  void operator()(QRcode* code) const { QRcode_free(code); }
};

// The dark modules as one path of unit squares, run by run.
std::string path_of(const QRcode& code) {
  std::string out;
  for (int y = 0; y < code.width; ++y) {
    for (int x = 0; x < code.width;) {
      const auto is_dark = [&](int at) { return (code.data[y * code.width + at] & 1U) != 0; };
      if (!is_dark(x)) {
        ++x;
        continue;
      }
      const int begin = x;
      while (x < code.width && is_dark(x)) ++x;
      out += fmt::format("M{} {}h{}v1h-{}z", begin + kQuietModules, y + kQuietModules, x - begin, x - begin);
    }
  }
  return out;
}

std::string grouped_hex(ByteView bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    out += (i == 0 ? "" : " ") + codec::encode_hex(bytes.subspan(i, std::min<std::size_t>(2, bytes.size() - i)));
  }
  return out;
}

// The whole id in one or two lines.
std::string id_lines(const std::string& id) {
  constexpr int kTextLeft = kMargin + kCodeSide + 1;
  const int room = kLabelWidth - kTextLeft - 1;
  const auto line = [&](int y, std::string_view text) {
    const bool narrow = text.size() > kLongLine;
    return fmt::format(
        R"(<text x="{}" y="{}" font-size="3.4" font-weight="bold"{}>{}</text>)", kTextLeft, y,
        narrow ? fmt::format(R"( textLength="{}" lengthAdjust="spacingAndGlyphs")", room) : std::string(), text);
  };
  if (id.size() <= 2 * kLongLine) return line(12, id);
  return line(9, std::string_view(id).substr(0, id.size() / 2)) + line(14, std::string_view(id).substr(id.size() / 2));
}

}  // namespace

void LabelTable::add(const factory::Issued& issued) {
  const auto& entry = issued.entry;
  text_ +=
      fmt::format("{},{},{},{},{},{}\r\n", entry.sequence, entry.serial_id.get(), entry.certificate_serial.hex(),
                  codec::encode_hex(entry.spki), codec::encode_hex(entry.certificate), to_iso8601(entry.issued_at));
}

std::string label_code(const SiteName& site, const factory::Issued& issued) {
  std::string out = fmt::format("SALLYPORT:{}/{}/{}", site.get(), issued.entry.serial_id.get(),
                                codec::encode_hex(ByteView(issued.entry.spki).first(kCodeKeyOctets)));
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return out;
}

Result<std::string> draw_label(const SiteName& site, const factory::Issued& issued) {
  const std::string text = label_code(site, issued);
  const std::unique_ptr<QRcode, QrFree> code(QRcode_encodeString(text.c_str(), 0, QR_ECLEVEL_M, QR_MODE_8, 1));
  if (!code) return failf(Errc::internal, "label: QR code: {}", std::strerror(errno));
  const int side = code->width + 2 * kQuietModules;
  // Names are LDH labels: nothing needs escaping.
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}mm" height="{1}mm" viewBox="0 0 {0} {1}" font-family="sans-serif">)"
      R"(<rect width="{0}" height="{1}" fill="#fff"/>)"
      R"(<svg x="{2}" y="{2}" width="{3}" height="{3}" viewBox="0 0 {4} {4}" shape-rendering="crispEdges"><path d="{5}"/></svg>)"
      R"({6}<text x="{7}" y="19" font-size="2.6">made by {8}</text>)"
      R"(<text x="{7}" y="25" font-size="2.2">key SHA-256</text><text x="{7}" y="28" font-size="2.2">{9} …</text></svg>)",
      kLabelWidth, kLabelHeight, kMargin, kCodeSide, side, path_of(*code), id_lines(issued.entry.serial_id.get()),
      kMargin + kCodeSide + 1, site.get(), grouped_hex(ByteView(issued.entry.spki).first(kShownKeyOctets)));
}

Result<void> LabelSheet::add(const factory::Issued& issued) {
  TRY(const auto label, draw_label(site_, issued));
  labels_ += label;
  labels_ += '\n';
  return {};
}

std::string LabelSheet::text() const {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Labels of {}</title>\n<style>"
      "@page{{size:A4;margin:0}}body{{margin:0;width:210mm;font-size:0}}svg{{break-inside:avoid}}</style></head>\n"
      "<body>\n{}</body></html>\n",
      site_.get(), labels_);
}

}  // namespace sallyport::cli
