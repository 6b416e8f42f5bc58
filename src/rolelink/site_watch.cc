#include "rolelink/site_watch.h"

#include <algorithm>

#include "codec/text.h"
#include "pki/misissuance.h"

namespace sallyport::rolelink {

void SiteWatch::learn(const records::SnapshotState& snapshot) {
  const auto same = [](const records::SnapshotCa& one, const records::SnapshotCa& other) {
    return one.name == other.name && equal(one.certificate, other.certificate);
  };
  if (std::ranges::equal(cas_, snapshot.cas(), same)) return;
  cas_ = snapshot.cas();
  sites_.clear();
  certificates_.clear();
  for (const records::SnapshotCa& ca : cas_) {
    auto site = records::site_of(ca.name);
    auto certificate = pki::parse_certificate(ca.certificate);
    if (!site || !certificate) continue;
    sites_.push_back(*std::move(site));
    certificates_.push_back(*std::move(certificate));
  }
}

std::optional<records::Alarm> SiteWatch::judge(const records::SnapshotState& snapshot, std::span<const Bytes> chain) {
  learn(snapshot);
  const auto found = pki::find_misissuance(chain, certificates_);
  if (!found) return std::nullopt;
  return records::Alarm{
      .kind = fmt::format("site.certificate.{}", pki::to_string(found->reason)),
      .subject = sites_[found->site_ca],
      .detail = fmt::format("{} (certificate with SHA-256 {})", found->detail, codec::encode_hex(found->fingerprint))};
}

}  // namespace sallyport::rolelink
