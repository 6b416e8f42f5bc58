#include "pki/permit.h"

#include <algorithm>

#include "codec/tlv.h"

namespace sallyport::pki {
namespace {

constexpr std::size_t kMaxInstallation = 64;

struct PermitField {
  enum : std::uint16_t { number = 1, installation, site, name_space, serial_prefix, count, not_before, not_after };
};

// A text that a serial id may begin with: the id's grammar, but that it may end in '-'.
bool is_serial_prefix(std::string_view text) {
  return parse_serial_id(text).has_value() ||
         (text.ends_with('-') && parse_serial_id(std::string(text) + "0").has_value());
}

Result<void> check(const SitePermit& permit) {
  if (permit.number == 0) return fail(Errc::malformed, "site permit: number 0, want at least 1");
  if (permit.count == 0) return fail(Errc::malformed, "site permit: for no certificate");
  if (permit.installation.empty() || permit.installation.size() > kMaxInstallation) {
    return failf(Errc::malformed, "site permit: installation of {} characters, want 1 to {}",
                 permit.installation.size(), kMaxInstallation);
  }
  if (!permit.name_space.get().starts_with(permit.site.get() + ".factory.")) {
    return fail(Errc::malformed, "site permit: a namespace that is not <site>.factory.<zone>");
  }
  if (permit.serial_prefix && !is_serial_prefix(*permit.serial_prefix)) {
    return fail(Errc::malformed, "site permit: a prefix that no serial id has");
  }
  if (permit.not_after <= permit.not_before) return fail(Errc::malformed, "site permit: ends before it begins");
  return {};
}

}  // namespace

Bytes encode_permit(const SitePermit& permit) {
  codec::TlvWriter writer;
  writer.u64(PermitField::number, permit.number)
      .text(PermitField::installation, permit.installation)
      .text(PermitField::site, permit.site.get())
      .text(PermitField::name_space, permit.name_space.get())
      .optional_text(PermitField::serial_prefix, permit.serial_prefix)
      .u64(PermitField::count, permit.count)
      .time(PermitField::not_before, permit.not_before)
      .time(PermitField::not_after, permit.not_after);
  return std::move(writer).take();
}

Result<SitePermit> parse_permit(ByteView payload) {
  if (payload.size() > kMaxPermitBytes)
    return failf(Errc::malformed, "site permit: {} bytes, want at most {}", payload.size(), kMaxPermitBytes);
  codec::TlvReader reader(payload, "site permit");
  SitePermit out;
  TRY(out.number, reader.u64(PermitField::number));
  TRY(out.installation, reader.text(PermitField::installation));
  TRY(const std::string site, reader.text(PermitField::site));
  TRY(out.site, parse_site_name(site));
  TRY(const std::string name_space, reader.text(PermitField::name_space));
  TRY(out.name_space, parse_dns_name(name_space));
  TRY(out.serial_prefix, reader.optional_text(PermitField::serial_prefix));
  TRY(out.count, reader.u64(PermitField::count));
  TRY(out.not_before, reader.time(PermitField::not_before));
  TRY(out.not_after, reader.time(PermitField::not_after));
  TRY_VOID(reader.finish());
  TRY_VOID(check(out));
  return out;
}

}  // namespace sallyport::pki
