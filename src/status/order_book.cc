#include "status/order_book.h"

#include <algorithm>

#include "base/log.h"
#include "codec/text.h"
#include "keystore/file.h"

namespace sallyport::status {
namespace {

constexpr mode_t kFolderMode = 0700;
constexpr std::string_view kOrderSuffix = ".order";
constexpr std::string_view kCrlSuffix = ".crl";
// What any CRL that was kept is still judged by: dates are for who verifies with it.
pki::TimeRule any_time() {
  return pki::TimeRule::floor(UnixTime(0));
}

std::string order_name(std::uint64_t number) {
  return fmt::format("order-{}{}", number, kOrderSuffix);
}

// What is not opened any more: of a root that is trusted no longer, or altered.
Result<void> tell_of(const std::filesystem::path& file, pki::Refusal refusal) {
  if (refusal.reason != pki::Reason::no_anchor)
    return fail(Errc::malformed, refusal.error.detail + ": the file is not as it was kept");
  log::warn("status.order-of-no-root", {{"file", file.string()}, {"error", refusal.error}});
  return {};
}

const pki::VerifiedCrl* find_of(const std::vector<pki::VerifiedCrl>& crls, const pki::Certificate& root) {
  const auto found = std::ranges::find(crls, root, &pki::VerifiedCrl::issuer);
  return found == crls.end() ? nullptr : &*found;
}

}  // namespace

Result<OrderBook> OrderBook::open(Settings settings) {
  OrderBook book(std::move(settings));
  TRY_VOID(keystore::make_folders(book.settings_.folder, kFolderMode));
  TRY_VOID(keystore::remove_unfinished_files(book.settings_.folder));
  TRY_VOID(book.load());
  return book;
}

Result<void> OrderBook::load() {
  std::error_code failure;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator at(settings_.folder, failure), end; !failure && at != end;
       at.increment(failure)) {
    files.push_back(at->path());
    if (files.size() > 2 * kMaxRootOrders)
      return failf(Errc::overloaded, "{}: found more than {} files", settings_.folder.string(), 2 * kMaxRootOrders);
  }
  if (failure) return failf(Errc::unavailable, "{}: {}", settings_.folder.string(), failure.message());
  for (const auto& file : files) {
    if (auto loaded = load_file(file); !loaded) return std::unexpected(std::move(loaded).error().at(file.string()));
  }
  return {};
}

Result<void> OrderBook::load_file(const std::filesystem::path& file) {
  const std::string suffix = file.extension().string();
  if (suffix == kCrlSuffix) {
    TRY(const auto der, keystore::read_file(file, kMaxRootCrl));
    auto crl = verify(der, any_time());
    if (crl) {
      note(*std::move(crl));
      return {};
    }
    return tell_of(file, std::move(crl).error());
  }
  if (suffix != kOrderSuffix) return fail(Errc::malformed, "found a file that is neither an order nor a root CRL");
  TRY(const auto sealed, keystore::read_file(file, pki::kMaxRootOrderBytes));
  auto opened = pki::open_root_order(sealed, settings_.roots);
  if (!opened) return tell_of(file, std::move(opened).error());
  if (file.filename() != order_name(opened->order().number))
    return failf(Errc::malformed, "found order {} under another's name", opened->order().number);
  note(opened->order());
  return {};
}

void OrderBook::note(const pki::RootOrder& order) {
  orders_.insert_or_assign(order.number, order);
  const auto keep_lowest = [&order](auto& index, auto key) {
    const auto [at, is_new] = index.try_emplace(std::move(key), order.number);
    if (!is_new) at->second = std::min(at->second, order.number);
  };
  if (order.serial) {
    keep_lowest(by_certificate_, CertificateKey(order.ca_key, *order.serial));
  } else {
    keep_lowest(by_ca_, order.ca_key);
  }
}

void OrderBook::note(pki::VerifiedCrl crl) {
  std::erase_if(root_crls_, [&](const pki::VerifiedCrl& other) { return other.issuer() == crl.issuer(); });
  root_crls_.push_back(std::move(crl));
}

Result<Taken> OrderBook::take_order(ByteView sealed) {
  TRY(const auto opened, pki::open_root_order(sealed, settings_.roots));
  const pki::RootOrder& order = opened.order();
  if (order.installation != settings_.installation) {
    return failf(Errc::unauthorized, "root order: found one for installation '{}', want '{}'", order.installation,
                 settings_.installation);
  }
  if (const auto known = orders_.find(order.number); known != orders_.end()) {
    if (known->second == order) return Taken::known;
    return failf(
        Errc::conflict,
        "root order: found another order {} than the one that was taken: the root's journal was set back, have "
        "the order made again",
        order.number);
  }
  if (orders_.size() >= kMaxRootOrders)
    return failf(Errc::overloaded, "root order: {} were taken, want no more than that", kMaxRootOrders);
  TRY_VOID(keystore::create_file(settings_.folder / order_name(order.number), sealed, keystore::kPublicMode));
  note(order);
  return Taken::taken;
}

pki::Verdict<pki::VerifiedCrl> OrderBook::verify(ByteView der, const pki::TimeRule& time) const {
  const auto crl = pki::parse_crl(der);
  if (!crl) return pki::refuse(pki::Reason::malformed, crl.error().detail);
  for (const pki::Certificate& root : settings_.roots) {
    auto verified = pki::verify_crl(*crl, root, time);
    if (verified) return verified;
    const pki::Reason reason = verified.error().reason;
    if (reason != pki::Reason::issuer_mismatch && reason != pki::Reason::key_id_mismatch) return verified;
  }
  return pki::refuse(pki::Reason::no_anchor, "root CRL: is of no root that is trusted here");
}

std::filesystem::path OrderBook::file_of(const pki::VerifiedCrl& crl) const {
  const Bytes key_id = crl.issuer().extensions().subject_key_id.value_or(Bytes());
  return settings_.folder / fmt::format("root-{}{}", codec::encode_hex(key_id), kCrlSuffix);
}

Result<Taken> OrderBook::take_root_crl(ByteView der, std::span<const Bytes> at_hand, UnixTime now) {
  if (der.size() > kMaxRootCrl)
    return failf(Errc::malformed, "root CRL: {} bytes, want at most {}", der.size(), kMaxRootCrl);
  TRY(auto crl, verify(der, pki::TimeRule::clock(now)));
  const auto newest = newest_root_crls(at_hand);
  if (const pki::VerifiedCrl* known = find_of(newest, crl.issuer()); known != nullptr) {
    if (equal(known->crl().der(), der)) return Taken::known;
    if (crl.crl().number() <= known->crl().number()) {
      return failf(Errc::conflict, "root CRL: found number {}, want one above {}", crl.crl().number(),
                   known->crl().number());
    }
  }
  TRY_VOID(keystore::atomic_write_file(file_of(crl), der, keystore::kPublicMode));
  note(std::move(crl));
  return Taken::taken;
}

const pki::RootOrder* OrderBook::find(const crypto::Sha256Digest& ca_key, const pki::SerialNumber& serial) const {
  if (const auto ca = by_ca_.find(ca_key); ca != by_ca_.end()) return &orders_.at(ca->second);
  const auto one = by_certificate_.find(CertificateKey(ca_key, serial));
  return one == by_certificate_.end() ? nullptr : &orders_.at(one->second);
}

std::vector<pki::VerifiedCrl> OrderBook::newest_root_crls(std::span<const Bytes> at_hand) const {
  std::vector<pki::VerifiedCrl> given;
  for (const Bytes& der : at_hand) {
    if (auto crl = verify(der, any_time())) given.push_back(*std::move(crl));
  }
  std::vector<pki::VerifiedCrl> out;
  for (const pki::Certificate& root : settings_.roots) {
    const pki::VerifiedCrl* kept = find_of(root_crls_, root);
    const pki::VerifiedCrl* other = find_of(given, root);
    if (kept == nullptr && other == nullptr) continue;
    const bool takes_kept = other == nullptr || (kept != nullptr && kept->crl().number() > other->crl().number());
    out.push_back(takes_kept ? *kept : *other);
  }
  return out;
}

pki::Verdict<void> OrderBook::check(const pki::VerifiedChain& chain) const {
  const auto& path = chain.path();
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    const pki::Certificate& issuer = path[i + 1];
    if (const pki::RootOrder* order = find(issuer.spki_sha256(), path[i].serial()); order != nullptr) {
      return pki::refuse(pki::Reason::status_revoked, fmt::format("certificate {}: revoked by order {} of the root",
                                                                  path[i].serial().hex(), order->number));
    }
    for (const pki::VerifiedCrl& crl : root_crls_) {
      if (!(crl.issuer().public_key() == issuer.public_key()) || crl.crl().find(path[i].serial()) == nullptr) continue;
      return pki::refuse(pki::Reason::ca_revoked,
                         fmt::format("CA {}: is on root CRL {}", path[i].serial().hex(), crl.crl().number()));
    }
  }
  return {};
}

}  // namespace sallyport::status
