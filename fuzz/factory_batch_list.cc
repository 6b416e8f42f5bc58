// A list of requests: whatever it says, its rows have sound serial ids, and every request is below the folder's path.
#include "factory/batch_list.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto rows = factory::parse_batch_list(as_text(ByteView(data, size)), "line");
  if (!rows) return 0;
  SALLYPORT_CHECK(rows->size() <= factory::kMaxBatch);
  for (const auto& row : *rows) {
    SALLYPORT_CHECK(!row.request.empty() && !row.certificate.empty());
    if (row.serial_id) SALLYPORT_CHECK(parse_serial_id(row.serial_id->get()).has_value());
  }
  return 0;
}
