#include "pki/detail/distribution_points.h"

#include "pki/detail/names.h"

namespace sallyport::pki::detail {
namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::size_t kMaxUrlLength = 2'048;

// Of names that were read before.
Result<void> add_urls_of(const DistributionPointName& name, std::vector<std::string>& urls) {
  for (const Bytes& each : name.full) {
    TRY(const der::Element form, der::Reader(each).any());
    if (form.tag == kUriForm) TRY_VOID(add_url(urls, as_text(form.content)));
  }
  return {};
}

// The names in a cRLIssuer, of which at least one is a directory name.
Result<std::vector<DistinguishedName>> read_crl_issuer(ByteView content) {
  TRY(AlternativeNames names, parse_general_names(der::Reader(content)));
  if (names.directory.empty()) return fail(Errc::malformed, "a CRL issuer that is no directory name");
  return std::move(names.directory);
}

// DistributionPoint := SEQUENCE { [0] distributionPoint, [1] reasons, [2] cRLIssuer }
Result<DistributionPoint> read_point(der::Reader point, std::vector<std::string>& urls) {
  TRY(const auto name, point.optional(der::context_constructed(0)));
  TRY(const auto reasons, point.optional(der::context_primitive(1)));
  TRY(const auto crl_issuer, point.optional(der::context_constructed(2)));
  TRY_VOID(point.finish("distribution point"));
  if (!name && !crl_issuer) return fail(Errc::malformed, "an empty distribution point");
  DistributionPoint out;
  if (name) {
    TRY(out.name, read_distribution_point_name(name->content));
    TRY_VOID(add_urls_of(*out.name, urls));
  }
  if (reasons) {
    TRY(out.reasons, read_reasons(reasons->content));
  }
  if (crl_issuer) {
    TRY(out.crl_issuer, read_crl_issuer(crl_issuer->content));
  }
  return out;
}

}  // namespace

Result<void> add_url(std::vector<std::string>& urls, std::string_view url) {
  if (urls.size() >= kMaxUrls) return failf(Errc::malformed, "over {} URLs", kMaxUrls);
  if (url.size() > kMaxUrlLength) return failf(Errc::malformed, "URL of {} characters", url.size());
  urls.emplace_back(url);
  return {};
}

// DistributionPointName := CHOICE { [0] fullName GeneralNames, [1] nameRelativeToCRLIssuer RelativeDistinguishedName }
Result<DistributionPointName> read_distribution_point_name(ByteView content) {
  der::Reader choice(content);
  TRY(const der::Element form, choice.any());
  TRY_VOID(choice.finish("distribution point name"));
  DistributionPointName out;
  if (form.tag == der::context_constructed(1)) {
    out.relative = der::encode(Tag::set, form.content);
    TRY_VOID(DistinguishedName().with_relative(out.relative));
    return out;
  }
  if (form.tag != der::context_constructed(0)) return fail(Errc::malformed, "distribution point name: unknown form");
  TRY_VOID(parse_general_names(der::Reader(form.content)));
  for (der::Reader names(form.content); !names.at_end();) {
    TRY(const der::Element name, names.any());
    out.full.push_back(to_bytes(name.whole));
  }
  return out;
}

Result<std::uint32_t> read_reasons(ByteView content) {
  const Bytes bits = der::encode(Tag::bit_string, content);
  TRY(const std::uint32_t reasons, der::Reader(bits).named_bits());
  if (reasons == 0) return fail(Errc::malformed, "no reason");
  return reasons;
}

Result<void> read_distribution_points(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  if (reader.at_end()) return fail(Errc::malformed, "no distribution point");
  while (!reader.at_end()) {
    if (out.distribution_points.size() >= kMaxDistributionPoints)
      return failf(Errc::malformed, "over {} distribution points", kMaxDistributionPoints);
    TRY(const der::Reader point, reader.sequence());
    TRY(DistributionPoint read, read_point(point, out.crl_urls));
    out.distribution_points.push_back(std::move(read));
  }
  return {};
}

}  // namespace sallyport::pki::detail
