// A bundle of anybody's certificates and CRLs: whatever they are, the search for a path ends within its limits, and
// what it finds begins with the leaf and ends at an anchor. Input: one byte of rules, then for each object its kind u8
// (0 leaf, 1 intermediate, 2 anchor, 3 CRL) and its DER with a length of two bytes before it.
#include <optional>

#include "pki/oids.h"
#include "pki/path.h"

namespace {

using namespace sallyport;
using namespace sallyport::pki;

struct Bundle {
  std::optional<Certificate> leaf;
  std::vector<Certificate> others;
  std::vector<Certificate> anchors;
  std::vector<Crl> crls;
};

void add(Bundle& bundle, std::uint8_t kind, ByteView der) {
  constexpr std::uint8_t kCrl = 3;
  if (kind % 4 == kCrl) {
    if (auto crl = parse_foreign_crl(der)) bundle.crls.push_back(*std::move(crl));
    return;
  }
  auto certificate = parse_certificate(der);
  if (!certificate) return;
  if (kind % 4 == 0) {
    bundle.leaf = *std::move(certificate);
  } else {
    (kind % 4 == 1 ? bundle.others : bundle.anchors).push_back(*std::move(certificate));
  }
}

PathRules rules_of(std::uint8_t bits) {
  PathRules rules{.time = (bits & 1U) != 0 ? TimeRule::floor(*parse_iso8601("2026-06-01T12:00:00Z"))
                                           : TimeRule::clock(*parse_iso8601("2026-06-01T12:00:00Z"))};
  if ((bits & 2U) != 0) rules.extended_uses = {oid::eku_server_auth};
  rules.leaf_may_be_ca = (bits & 4U) != 0;
  rules.policies.explicit_required = (bits & 8U) != 0;
  rules.policies.inhibit_any = (bits & 16U) != 0;
  rules.policies.inhibit_mapping = (bits & 32U) != 0;
  if ((bits & 64U) != 0) rules.policies.accepted = {Oid::of("1.2.3.4")};
  if ((bits & 128U) != 0) rules.revocation = RevocationRule::where_given;
  return rules;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Reader reader(ByteView(data + 1, size - 1));
  Bundle bundle;
  while (reader.remaining() != 0) {
    const auto kind = reader.u8();
    const auto der = reader.bytes_u16();
    if (!kind || !der) return 0;
    add(bundle, *kind, *der);
  }
  if (!bundle.leaf) return 0;
  const PathSource source{.others = bundle.others, .anchors = bundle.anchors, .crls = bundle.crls};
  Work work;
  const auto path = verify_path(*bundle.leaf, source, rules_of(data[0]), &work);
  // One more may be counted than allowed: the one that was refused.
  SALLYPORT_CHECK(work.signatures <= kMaxSignatureChecks + 1 && work.comparisons <= kMaxNameComparisons + 1 &&
                  work.steps <= kMaxPathSteps + 1);
  if (!path) return 0;
  SALLYPORT_CHECK(path->leaf() == *bundle.leaf && path->certificates().size() <= kMaxPathCertificates);
  SALLYPORT_CHECK(std::ranges::find(bundle.anchors, path->anchor()) != bundle.anchors.end());
  return 0;
}
