// The ClientHello parser alone, and against OpenSSL: where both read a name, it is the same name, and where OpenSSL has
// read one, ours does not ask for more bytes.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "crypto/tls.h"
#include "tunnel/client_hello.h"
#include "tunnel/limits.h"

using sallyport::Bytes;
using sallyport::ByteView;
using sallyport::Errc;
using sallyport::Result;
namespace crypto = sallyport::crypto;
namespace tunnel = sallyport::tunnel;

namespace {

std::optional<std::string> seen_by_openssl;

void require(bool condition) {
  if (!condition) std::abort();
}

// A server that notes the name and goes no further.
std::shared_ptr<crypto::TlsContext> listening_context() {
  crypto::TlsServerSettings settings;
  settings.identity_for = [](std::string_view name) -> Result<crypto::TlsIdentity> {
    seen_by_openssl = std::string(name);
    return sallyport::fail(Errc::not_found, "fuzz: no identity");
  };
  auto context = crypto::TlsContext::server(std::move(settings));
  return context ? *std::move(context) : nullptr;
}

std::optional<std::string> name_by_openssl(ByteView hello) {
  static const std::shared_ptr<crypto::TlsContext> context = listening_context();
  seen_by_openssl.reset();
  int ends[2] = {-1, -1};
  require(context != nullptr);
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) return std::nullopt;
  if (::write(ends[0], hello.data(), hello.size()) == static_cast<ssize_t>(hello.size())) {
    crypto::TlsSession session(context, ends[1]);
    (void)session.handshake();
  }
  ::close(ends[0]);
  ::close(ends[1]);
  if (seen_by_openssl && seen_by_openssl->empty()) return std::nullopt;
  return seen_by_openssl;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto outcome = tunnel::parse_client_hello(input);
  const auto* hello = std::get_if<tunnel::ClientHello>(&outcome);
  const auto* more = std::get_if<tunnel::HelloNeedsMore>(&outcome);
  if (more != nullptr) {
    require(more->total > size && more->total <= tunnel::kMaxHelloHybrid);
  }
  if (hello != nullptr) {
    require(hello->wire_size <= size);
    // What follows the hello, and all but its last byte, decide nothing.
    const auto exact = tunnel::parse_client_hello(input.first(hello->wire_size));
    require(std::get<tunnel::ClientHello>(exact).server_name == hello->server_name);
    require(
        std::holds_alternative<tunnel::HelloNeedsMore>(tunnel::parse_client_hello(input.first(hello->wire_size - 1))));
  }
  if (size <= tunnel::kMaxHelloHybrid) {
    const auto theirs = name_by_openssl(input);
    if (theirs) require(more == nullptr);
    if (theirs && hello != nullptr) require(lower(*theirs) == hello->server_name.get());
  }
  return 0;
}
