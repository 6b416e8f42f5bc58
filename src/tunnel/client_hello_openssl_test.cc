// The name that OpenSSL's server reads from the same bytes. fuzz/tunnel_client_hello.cc asks the same of any input.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "crypto/tls.h"
#include "tunnel/client_hello.h"
#include "tunnel/detail/test_vectors.h"

namespace sallyport::tunnel {
namespace {

std::optional<std::string> name_by_openssl(ByteView hello) {
  std::optional<std::string> seen;
  crypto::TlsServerSettings settings;
  settings.identity_for = [&seen](std::string_view name) -> Result<crypto::TlsIdentity> {
    seen = std::string(name);
    return fail(Errc::not_found, "test: no identity");
  };
  auto context = crypto::TlsContext::server(std::move(settings));
  int ends[2] = {-1, -1};
  if (!context || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) return std::nullopt;
  if (::write(ends[0], hello.data(), hello.size()) == static_cast<ssize_t>(hello.size())) {
    crypto::TlsSession session(*context, ends[1]);
    EXPECT_FALSE(session.handshake() && seen);
  }
  ::close(ends[0]);
  ::close(ends[1]);
  return seen;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

TEST(ClientHello, OpenSslReadsTheSameNameInWholeAndInSmallRecords) {
  for (const auto& one : testing::read_vectors("hellos.txt")) {
    SCOPED_TRACE(one.title);
    const Bytes whole = one.hex("hello");
    Writer split;
    for (std::size_t at = 5; at < whole.size(); at += 100)
      split.u8(22).u16(0x0301).bytes_u16(ByteView(whole).subspan(at, std::min<std::size_t>(100, whole.size() - at)));
    for (const ByteView bytes : {ByteView(whole), split.view()}) {
      const auto theirs = name_by_openssl(bytes);
      ASSERT_TRUE(theirs);
      EXPECT_EQ(lower(*theirs), std::get<ClientHello>(parse_client_hello(bytes)).server_name.get());
    }
  }
}

}  // namespace
}  // namespace sallyport::tunnel
