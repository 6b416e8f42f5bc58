// Reads request.toml and plans every CA with it.
#include <cstdint>

#include "root/request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto facts = root::parse_request_facts(as_text({data, size}), "request.toml");
  if (!facts) return 0;
  for (const char* stem :
       {"online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca", "root", "local-ca-a"}) {
    const auto plan = root::plan_ca(stem, *facts);
    SALLYPORT_CHECK(!plan || std::string_view(stem) != "root");
  }
  if (facts->site) SALLYPORT_CHECK(root::plan_ca("local-ca-" + facts->site->get(), *facts).has_value());
  return 0;
}
