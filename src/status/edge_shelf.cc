#include "status/edge_shelf.h"

#include <algorithm>
#include <utility>

#include "codec/text.h"
#include "crypto/hash.h"

namespace sallyport::status {
namespace {

constexpr std::string_view kRoot = "root";
constexpr std::string_view kRootPrefix = "root-";

Bytes key_of(const pki::CertId& id) {
  Writer writer;
  writer.u8(static_cast<std::uint8_t>(id.hash)).bytes(id.issuer_name_hash).bytes(id.issuer_key_hash);
  writer.bytes(id.serial.content());
  return writer.take();
}

Bytes key_id_of(const pki::Certificate& certificate) {
  return certificate.extensions().subject_key_id.value_or(Bytes());
}

bool issued(const pki::Certificate& root, const pki::Certificate& ca) {
  return ca.issuer() == root.subject() &&
         root.public_key().verify(ca.signature_scheme(), ca.tbs(), ca.signature()).has_value();
}

// A proven answer that says "revoked" is as good to hand out as one that says "good".
bool is_proven(const pki::Verdict<pki::GoodAnswer>& verdict) {
  return verdict || verdict.error().reason == pki::Reason::status_revoked;
}

}  // namespace

EdgeShelf::Taken EdgeShelf::take(const Presigned& presigned) {
  Taken taken;
  taken.refused += take_root_crls(presigned.root_crls);
  taken.refused += take_cas(presigned.cas);
  for (const Bytes& der : presigned.answers) {
    const auto is_new = take_answer(der);
    if (!is_new) ++taken.refused;
    if (is_new.value_or(false)) ++taken.answers;
  }
  const UnixTime now = clock_.now();
  std::erase_if(answers_, [&](const auto& each) {
    const auto is_its = [&](const Ca& ca) { return ca.certificate.spki_sha256() == each.second.ca_key; };
    return *each.second.answer.next_update <= now || std::ranges::none_of(cas_, is_its);
  });
  return taken;
}

std::size_t EdgeShelf::take_root_crls(const std::vector<Bytes>& ders) {
  std::size_t refused = 0;
  for (const Bytes& der : ders) {
    const auto crl = pki::parse_crl(der);
    if (!crl) {
      ++refused;
      continue;
    }
    const std::vector<pki::Crl> one{*crl};
    auto verified = pki::verify_root_crls(one, roots_, pki::TimeRule::floor(UnixTime(0)));
    if (verified.empty()) {
      ++refused;
      continue;
    }
    const auto held = std::ranges::find(root_crls_, verified.front().issuer(), &pki::VerifiedCrl::issuer);
    if (held == root_crls_.end()) {
      root_crls_.push_back(std::move(verified.front()));
    } else if (verified.front().crl().number() < held->crl().number()) {
      ++refused;
    } else {
      *held = std::move(verified.front());
    }
  }
  return refused;
}

bool EdgeShelf::is_listed(const pki::Certificate& ca) const {
  return std::ranges::any_of(root_crls_, [&](const pki::VerifiedCrl& crl) {
    return issued(crl.issuer(), ca) && crl.crl().find(ca.serial()) != nullptr;
  });
}

std::size_t EdgeShelf::take_cas(const std::vector<records::SnapshotCa>& cas) {
  std::size_t refused = 0;
  std::vector<Ca> taken;
  std::vector<records::SnapshotCa> listed;
  for (const records::SnapshotCa& ca : cas) {
    auto certificate = pki::parse_certificate(ca.certificate);
    const bool is_ours =
        certificate && std::ranges::any_of(roots_, [&](const auto& root) { return issued(root, *certificate); });
    if (!is_ours || !certificate->extensions().is_ca() || is_listed(*certificate)) {
      ++refused;
      continue;
    }
    listed.push_back(ca);
    taken.push_back({ca.name, *std::move(certificate)});
  }
  cas_ = std::move(taken);
  list_names_ = name_lists(listed);
  return refused;
}

const EdgeShelf::Ca* EdgeShelf::find_issuer(const pki::CertId& id) const {
  const auto found = std::ranges::find_if(
      cas_, [&](const Ca& ca) { return pki::make_cert_id(id.hash, ca.certificate, id.serial) == id; });
  return found == cas_.end() ? nullptr : &*found;
}

std::optional<bool> EdgeShelf::take_answer(const Bytes& der) {
  const auto response = pki::parse_ocsp_response(der);
  if (!response || response->answer.responses.size() != 1 || response->answer.nonce) return std::nullopt;
  const pki::SingleResponse& single = response->answer.responses.front();
  const Ca* issuer = find_issuer(single.id);
  if (issuer == nullptr || !single.next_update) return std::nullopt;
  Bytes key = key_of(single.id);
  const auto held = answers_.find(key);
  if (held != answers_.end() && *held->second.answer.der == der) return false;
  const pki::OcspExpectation expected{.issuer = issuer->certificate,
                                      .serial = single.id.serial,
                                      .nonce = std::nullopt,
                                      .signer_not_before_at_least = UnixTime(),
                                      .known_delegate = std::nullopt};
  if (!is_proven(pki::check_ocsp_response(*response, expected, pki::TimeRule::clock(clock_.now()))))
    return std::nullopt;
  const UnixTime produced_at = response->answer.produced_at;
  if (held != answers_.end() && produced_at < held->second.produced_at) return std::nullopt;
  if (held == answers_.end() && answers_.size() >= kMaxPresignedAnswers) return std::nullopt;
  Answer answer{.der = std::make_shared<const Bytes>(der),
                .this_update = single.this_update,
                .next_update = single.next_update,
                .etag = "\"" + codec::encode_hex(crypto::sha256(der)) + "\""};
  answers_.insert_or_assign(std::move(key), Held{std::move(answer), produced_at, issuer->certificate.spki_sha256()});
  return true;
}

std::vector<PresignedList> EdgeShelf::wanted_lists(const Presigned& presigned) const {
  std::vector<PresignedList> out;
  for (const PresignedList& list : presigned.lists) {
    if (std::ranges::find(cas_, list.ca, &Ca::name) == cas_.end()) continue;
    if (list.number > lists_.number_of(list.ca)) out.push_back(list);
  }
  return out;
}

std::optional<std::string> EdgeShelf::file_of(const records::CaName& ca) const {
  std::optional<std::string> out;
  for (const auto& [name, listed] : list_names_) {
    // The longest name is that of the key, which is one CA's alone.
    if (listed == ca && name.size() > out.value_or("").size()) out = name;
  }
  return out;
}

Result<void> EdgeShelf::put_list(const records::CaName& ca, Bytes der) {
  const auto issuer = std::ranges::find(cas_, ca, &Ca::name);
  if (issuer == cas_.end()) return failf(Errc::not_found, "CRL: of {}, which is no CA here", ca.get());
  return lists_.put(ca, issuer->certificate, std::move(der), clock_.now());
}

Answer EdgeShelf::refuse(pki::OcspResponseStatus status) {
  ++(status == pki::OcspResponseStatus::try_later ? counters_.without_signer : counters_.malformed);
  return {std::make_shared<const Bytes>(pki::encode_ocsp_error(status)), std::nullopt, std::nullopt, {}};
}

Answer EdgeShelf::answer(ByteView request) {
  if (request.size() > pki::kMaxOcspRequestBytes) return refuse(pki::OcspResponseStatus::malformed_request);
  const auto parsed = pki::parse_ocsp_request(request);
  if (!parsed || parsed->ids.size() != 1) return refuse(pki::OcspResponseStatus::malformed_request);
  if (parsed->nonce) return refuse(pki::OcspResponseStatus::try_later);
  const auto held = answers_.find(key_of(parsed->ids.front()));
  if (held == answers_.end() || *held->second.answer.next_update <= clock_.now())
    return refuse(pki::OcspResponseStatus::try_later);
  ++counters_.cached;
  return held->second.answer;
}

const ServedCrl* EdgeShelf::find_list(std::string_view name) const {
  const auto ca = list_names_.find(name);
  return ca == list_names_.end() ? nullptr : lists_.find(ca->second);
}

std::optional<Bytes> EdgeShelf::find_root_crl(std::string_view name) const {
  for (auto root = roots_.rbegin(); root != roots_.rend(); ++root) {
    const std::string own_name = std::string(kRootPrefix) + codec::encode_hex(key_id_of(*root));
    const auto crl = std::ranges::find(root_crls_, *root, &pki::VerifiedCrl::issuer);
    if ((name == kRoot || name == own_name) && crl != root_crls_.end()) return to_bytes(crl->crl().der());
  }
  return std::nullopt;
}

std::optional<Bytes> EdgeShelf::find_ca(std::string_view name) const {
  for (const Ca& ca : cas_) {
    if (ca.name.get() == name) return to_bytes(ca.certificate.der());
  }
  for (const pki::Certificate& root : roots_) {
    if (name == kRoot) return to_bytes(root.der());
  }
  return std::nullopt;
}

std::optional<UnixTime> EdgeShelf::good_until() const {
  std::optional<UnixTime> out;
  for (const auto& [key, held] : answers_) out = std::max(out.value_or(UnixTime()), *held.answer.next_update);
  return out;
}

}  // namespace sallyport::status
