// ca.honour: whether devices of a revoked online CA may come back under what they have.
#include "authority/audit.h"
#include "authority/detail/admin_methods.h"
#include "authority/honoured_cas.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::Records;

struct Order {
  records::CaName ca;
  std::optional<UnixTime> issued_before;  // absent: nothing any more
  bool is_dry_run = false;
};

Result<Order> parse_order(const AdminCall& call) {
  TRY_VOID(call.parameters.only_keys({"ca", "issued_before", "dry_run"}));
  Order order;
  TRY(auto name, call.parameters.text_at("ca"));
  order.ca = records::CaName(std::move(name));
  if (call.parameters.find("dry_run") != nullptr) {
    TRY(order.is_dry_run, call.parameters.boolean_at("dry_run"));
  }
  TRY(const auto before, call.parameters.at("issued_before"));
  if (!before.is_null()) {
    TRY(const auto text, before.text());
    TRY(order.issued_before, parse_iso8601(text));
  }
  if (records::base_name(order.ca).get() != "online-ca" || !records::is_older(order.ca))
    return failf(Errc::malformed, "ca.honour: found '{}', want a replaced one such as online-ca@<serial>",
                 order.ca.get());
  return order;
}

Json describe(const Order& order, const HonouredCounts& counts) {
  return Json::Object{{"ca", order.ca.get()},
                      {"issued_before", order.issued_before ? Json(to_iso8601(*order.issued_before)) : Json()},
                      {"dry_run", order.is_dry_run},
                      {"honoured", counts.honoured},
                      {"refused", counts.refused}};
}

}  // namespace

AdminAnswer ca_honour(AdminCall call) {
  CO_TRY(const auto order, parse_order(call));
  CO_TRY(const auto certificate, call.core.installation().ca(order.ca));
  const HonouredCa honoured{.ca = order.ca, .issued_before = order.issued_before.value_or(UnixTime(0))};
  const auto counts = std::make_shared<HonouredCounts>();
  const auto count = [=, now = call.now()](Records& records) -> Result<void> {
    TRY(*counts, count_honoured(records, honoured, certificate, now));
    return {};
  };
  CO_TRY_VOID(co_await call.core.read_aside(count));
  if (order.is_dry_run) co_return describe(order, *counts);
  const auto work = [=](Records& records) -> Result<void> {
    TRY_VOID(order.issued_before ? honour_ca(records, honoured) : honour_ca_no_more(records, order.ca));
    return append_audit(records, call.now(), call.request.actor,
                        order.issued_before ? "ca.honoured" : "ca.honoured-no-more", order.ca.get(),
                        {{"issued_before", order.issued_before ? Json(to_iso8601(*order.issued_before)) : Json()},
                         {"certificates", counts->honoured}});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  co_return describe(order, *counts);
}

}  // namespace sallyport::authority
