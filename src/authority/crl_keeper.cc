#include "authority/crl_keeper.h"

#include <algorithm>
#include <utility>

#include "authority/core.h"
#include "base/log.h"
#include "net/timer.h"
#include "records/installation_values.h"

namespace sallyport::authority {
namespace {

std::string number_key(const records::CaName& ca) {
  return "crl-number/" + records::base_name(ca).get();
}

bool keeps_ended(const records::CaName& ca) {
  return records::base_name(ca).get() == "server-ca";
}

}  // namespace

net::Task<Result<void>> CrlKeeper::read_changes() {
  const auto changes = std::make_shared<Changes>();
  const auto reached = std::make_shared<std::uint64_t>(0);
  const auto read = [changes, reached, after = read_to_](records::Records& records) -> Result<void> {
    TRY(*reached, records.change_number());
    if (*reached == after) return {};
    const auto keep_revoked = [&](const records::CertificateRecord& record) -> Result<void> {
      if (record.state == records::CertificateState::revoked) changes->push_back(record);
      return {};
    };
    return records.certificates().visit_changed(after, keep_revoked);
  };
  CO_TRY_VOID(co_await core_.read_aside(read));
  for (const records::CertificateRecord& record : *changes) take(record);
  read_to_ = *reached;
  co_return Result<void>{};
}

void CrlKeeper::begin_lists() {
  for (const records::CaName& ca : records::online_ca_names()) lists_.emplace(ca, List{});
  for (const auto& [ca, certificate] : core_.installation().older_cas()) lists_.emplace(ca, List{});
}

void CrlKeeper::take(const records::CertificateRecord& record) {
  // Those of a name stand side by side. None: a local CA, the key that could sign its list is at the factory.
  auto found = lists_.lower_bound(record.ca);
  if (found == lists_.end() || found->first != record.ca) return;
  const auto serial = pki::SerialNumber::from_content(record.serial.get());
  if (!serial || !record.revoked_at) return;
  const auto reason = static_cast<pki::RevocationReason>(std::to_underlying(record.reason));
  const Entry entry{.revoked = {*serial, reason, *record.revoked_at}, .not_after = record.not_after};
  for (; found != lists_.end() && records::base_name(found->first) == record.ca; ++found) {
    if (found->second.entries.emplace(record.serial, entry).second) found->second.changed = true;
  }
}

bool CrlKeeper::is_due(const records::CaName& ca, const List& list, UnixTime now) const {
  if (records::is_older(ca)) {
    const auto certificate = core_.installation().ca(ca);
    if (!certificate || certificate->validity().not_after <= now) return false;
  }
  return list.changed || now - list.made_at >= kCrlRefresh;
}

// Durable before anything is signed under it, so that no number is given twice, whatever happens next.
net::Task<Result<std::uint64_t>> CrlKeeper::next_number(records::CaName ca) {
  const auto number = std::make_shared<std::uint64_t>(0);
  const auto raise = [number, key = number_key(ca)](records::Records& records) -> Result<void> {
    TRY(const auto stored, records.find_value(key));
    if (stored) {
      TRY(*number, Reader(*stored).u64());
    }
    return records.put_value(key, Writer().u64(++*number).view());
  };
  CO_TRY_VOID(co_await core_.commit(raise));
  co_return *number;
}

net::Task<Result<void>> CrlKeeper::make(records::CaName ca) {
  CO_TRY(const std::uint64_t number, co_await next_number(ca));
  List& list = lists_.at(ca);
  const UnixTime now = core_.clock().now();
  if (!keeps_ended(ca)) {
    std::erase_if(list.entries, [now](const auto& each) { return each.second.not_after + kEndedStays < now; });
  }
  pki::SignCrl order{.ca = ca.get(), .fields = {}};
  order.fields.number = number;
  order.fields.this_update = now;
  order.fields.next_update = now + kCrlLife;
  order.fields.entries.reserve(list.entries.size());
  for (const auto& [serial, entry] : list.entries) order.fields.entries.push_back(entry.revoked);
  list.changed = false;
  const std::uint64_t entries = order.fields.entries.size();
  pki::SigningRequest request(std::move(order));
  auto answer = co_await core_.sign(std::move(request));
  const auto* made = answer ? std::get_if<pki::SignedCrl>(&*answer) : nullptr;
  if (made == nullptr) {
    list.changed = true;
    if (answer) co_return fail(Errc::internal, "signer: another kind of answer, want a CRL");
    co_return std::unexpected(std::move(answer).error().at("CRL of " + ca.get()));
  }
  list.der = std::make_shared<const Bytes>(made->der);
  list.number = number;
  list.made_at = now;
  list.made_entries = entries;
  log::info("crl.made", {{"ca", ca.get()}, {"number", number}, {"entries", entries}});
  co_return Result<void>{};
}

net::Task<Result<std::size_t>> CrlKeeper::make_due() {
  if (lists_.empty()) begin_lists();
  CO_TRY_VOID(co_await read_changes());
  std::vector<records::CaName> due;
  for (const auto& [ca, list] : lists_) {
    if (is_due(ca, list, core_.clock().now())) due.push_back(ca);
  }
  std::size_t made = 0;
  std::optional<Error> failed;
  for (const records::CaName& ca : due) {
    auto done = co_await make(ca);
    if (done) ++made;
    if (!done) failed = std::move(done).error();
  }
  if (failed) co_return std::unexpected(*std::move(failed));
  co_return made;
}

net::Task<void> CrlKeeper::keep() {
  for (;;) {
    if (const auto made = co_await make_due(); !made) log::warn("crl.not-made", {{"error", made.error()}});
    co_await net::sleep_for(kCrlRound);
  }
}

Result<records::CrlPortion> CrlKeeper::portion(const records::CrlRequest& wanted) const {
  const auto found = lists_.find(wanted.ca);
  if (found == lists_.end() || !found->second.der) {
    return failf(Errc::not_found, "CRL: none of '{}' here", wanted.ca.get());
  }
  const List& list = found->second;
  records::CrlPortion out{.number = list.number, .count = 0, .bytes = {}};
  if (list.number <= wanted.have_number) return out;
  const Bytes& der = *list.der;
  out.count = static_cast<std::uint32_t>((der.size() + records::kCrlPortionSize - 1) / records::kCrlPortionSize);
  if (wanted.index >= out.count) return failf(Errc::conflict, "CRL: portion {} of {}", wanted.index, out.count);
  const std::size_t from = wanted.index * records::kCrlPortionSize;
  out.bytes = to_bytes(ByteView(der).subspan(from, std::min(records::kCrlPortionSize, der.size() - from)));
  return out;
}

std::vector<CrlKeeper::Made> CrlKeeper::made() const {
  std::vector<Made> out;
  for (const auto& [ca, list] : lists_) {
    if (!list.der) continue;
    out.push_back({.ca = ca,
                   .number = list.number,
                   .this_update = list.made_at,
                   .next_update = list.made_at + kCrlLife,
                   .entries = list.made_entries,
                   .bytes = list.der->size()});
  }
  return out;
}

}  // namespace sallyport::authority
