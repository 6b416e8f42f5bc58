// The console's REST API, as a program of somebody who may log in there uses it.
#pragma once

#include <optional>
#include <string>

#include "base/names.h"
#include "base/secret.h"
#include "codec/json.h"
#include "command.h"
#include "http/client.h"
#include "net/address.h"
#include "pki/certificate.h"

namespace sallyport::cli {

inline constexpr milliseconds kConsoleLimit{30'000};  // for one request

// "https://console.example[:8443]", nothing behind it.
struct ConsoleAddress {
  DnsName name;
  std::uint16_t port = 443;
  std::string origin() const;
};
// Errc::malformed on anything else.
Result<ConsoleAddress> parse_console_address(std::string_view url);

struct ConsoleLogin {
  ConsoleAddress console;
  std::optional<net::Address> connect_to;  // instead of looking the name up
  pki::Certificate root;                   // what the console's certificate must lead to
  std::string login;
};

// One TLS connection and one login session on it. Move-only.
class ConsoleClient {
 public:
  // Connects, verifies the console by the root (its revocation is not asked for), logs in. Borrows the clock for the
  // call. Errc::unauthorized: another server's certificate, or login refused.
  static net::Task<Result<ConsoleClient>> log_in(ConsoleLogin login, SecretBytes password, const Clock& clock);

  // `path` is below /api/v1. An answer that is no success becomes an Error with the problem's title and detail.
  net::Task<Result<codec::Json>> get(std::string path);
  net::Task<Result<codec::Json>> post(std::string path, codec::Json body);
  net::Task<Result<void>> log_out();

 private:
  ConsoleClient(http::Client client, std::string origin) : client_(std::move(client)), origin_(std::move(origin)) {}
  net::Task<Result<codec::Json>> call(http::Request request);

  http::Client client_;
  std::string origin_;
  std::string cookie_;
  std::string csrf_;
};

}  // namespace sallyport::cli
