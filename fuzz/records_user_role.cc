// A role that parses is written as it was read; a login is checked on the way.
#include <cstdint>

#include "records/user_record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const std::string_view text = as_text({data, size});
  if (const auto role = records::parse_user_role(text)) SALLYPORT_CHECK(records::to_string(*role) == text);
  static_cast<void>(records::check_login_grammar(text));
  return 0;
}
