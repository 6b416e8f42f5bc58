// Whether this state came out of a backup (`sallyport restore` leaves the value), until somebody says that he knows.
#include "authority/audit.h"
#include "authority/detail/admin_methods.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::Records;

constexpr std::string_view kRestoredValue = "restored";

Result<Json> read_mark(Records& records) {
  TRY(const auto stored, records.find_value(kRestoredValue));
  if (!stored || stored->empty()) return Json();
  return codec::parse_json(as_text(*stored));
}

}  // namespace

AdminAnswer restored_show(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({}));
  Json mark;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(mark, read_mark(records));
    return {};
  }));
  co_return Json(Json::Object{{"restored", std::move(mark)}});
}

AdminAnswer restored_accept(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({}));
  const auto work = [call](Records& records) -> Result<void> {
    TRY(const auto mark, read_mark(records));
    if (mark.is_null()) return {};
    TRY_VOID(records.put_value(kRestoredValue, {}));
    return append_audit(records, call.now(), call.request.actor, "installation.restore-accepted", "authority", {});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  co_return co_await restored_show(std::move(call));
}

}  // namespace sallyport::authority
