// Message heads: what is accepted has exactly one framing, and means the same when it is parsed again.
#include <cstdint>
#include <cstdlib>

#include "http/message.h"

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto request = http::parse_request_head(input);
  if (request) {
    const auto& headers = request->request.headers;
    if (headers.all("Content-Length").size() + headers.all("Transfer-Encoding").size() > 1) std::abort();
    if (headers.all("Host").size() > 1) std::abort();
    for (const auto& field : headers.fields()) {
      if (field.name.empty() || field.value.find_first_of("\r\n") != std::string::npos) std::abort();
    }
    static_cast<void>(request->request.query_param("q"));
    static_cast<void>(request->request.cookie("c"));
  }
  const auto response = http::parse_response_head(input);
  if (request && response) std::abort();
  if (response && (response->response.status < 100 || response->response.status > 599)) std::abort();
  return 0;
}
