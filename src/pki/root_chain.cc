#include "pki/root_chain.h"

#include <algorithm>
#include <optional>

#include "pki/detail/path_search.h"
#include "pki/detail/rules.h"
#include "pki/profile.h"

namespace sallyport::pki {
namespace {

// A certificate whose key is proven to be a root's. Generation 0 is the newest anchor's.
struct Proven {
  const Certificate* certificate;
  int generation;
};

bool is_signed_by(const Certificate& certificate, const crypto::PublicKey& key) {
  return key.verify(certificate.signature_scheme(), certificate.tbs(), certificate.signature()).has_value();
}

bool follows(const Certificate& before, const Certificate& link, const TimeRule& time) {
  return is_root_link(link) && detail::check_profile(profile(ProfileId::root_link), link, &before) &&
         detail::check_validity(link, time) && is_signed_by(link, before.public_key());
}

// The generation of a self-signed root that a proven certificate vouches for; absent for any other certificate.
std::optional<int> generation_of(const Certificate& root, std::span<const Proven> proven, const TimeRule& time) {
  for (const Proven& each : proven) {
    const Certificate& voucher = *each.certificate;
    if (voucher == root && !is_root_link(root)) return each.generation;
    if (!is_root_link(voucher) || !(voucher.public_key() == root.public_key())) continue;
    const bool is_that_root = detail::check_profile(profile(ProfileId::root), root, nullptr) &&
                              detail::check_validity(root, time) && root.subject() == voucher.subject() &&
                              root.extensions().next_root_key == voucher.extensions().next_root_key &&
                              is_signed_by(root, root.public_key());
    if (is_that_root) return each.generation;
  }
  return std::nullopt;
}

std::vector<Proven> prove(std::span<const Certificate> anchors, std::span<const Certificate> shown,
                          const TimeRule& time) {
  std::vector<Proven> proven;
  for (std::size_t i = 0; i < anchors.size(); ++i) proven.push_back({&anchors[i], -static_cast<int>(i)});
  const auto is_known = [&](const Certificate& certificate) {
    return std::ranges::any_of(proven, [&](const Proven& each) { return *each.certificate == certificate; });
  };
  for (std::size_t round = 0; round < kMaxRootLinks; ++round) {
    for (const Certificate& link : shown) {
      if (!is_root_link(link) || is_known(link)) continue;
      const auto before =
          std::ranges::find_if(proven, [&](const Proven& each) { return follows(*each.certificate, link, time); });
      if (before != proven.end()) proven.push_back({&link, before->generation + 1});
    }
  }
  return proven;
}

}  // namespace

bool is_root_link(const Certificate& certificate) {
  const Extensions& found = certificate.extensions();
  return found.is_ca() && found.policies.empty() && found.authority_key_id && found.subject_key_id &&
         found.authority_key_id != found.subject_key_id;
}

std::vector<Certificate> follow_root_links(std::span<const Certificate> anchors, std::span<const Certificate> shown,
                                           const TimeRule& time) {
  std::vector<Certificate> unchanged(anchors.begin(), anchors.end());
  if (shown.size() > kMaxPoolCertificates) return unchanged;
  const std::vector<Proven> proven = prove(anchors, shown, time);
  std::vector<Proven> roots;
  for (const Certificate& each : shown) {
    if (const auto generation = generation_of(each, proven, time)) roots.push_back({&each, *generation});
  }
  std::ranges::sort(roots, std::greater(), &Proven::generation);
  if (roots.empty() || roots.front().generation < 0) return unchanged;
  std::vector<Certificate> out;
  for (const Proven& root : roots) {
    const bool is_twice = std::ranges::find(out, *root.certificate) != out.end();
    if (!is_twice && out.size() < kMaxAnchorsInUse) out.push_back(*root.certificate);
  }
  return out;
}

std::vector<Certificate> select_shown_roots(std::span<const Certificate> roots, std::span<const Certificate> cas) {
  std::vector<Certificate> out;
  for (const Certificate& root : roots) {
    const auto signed_it = [&](const Certificate& ca) {
      return root.extensions().subject_key_id && ca.extensions().authority_key_id == root.extensions().subject_key_id;
    };
    const bool is_shown = out.empty() || std::ranges::any_of(cas, signed_it);
    if (is_shown && out.size() < kMaxAnchorsInUse) out.push_back(root);
  }
  return out;
}

}  // namespace sallyport::pki
