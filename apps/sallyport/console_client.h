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
inline constexpr milliseconds kLogOutLimit{5'000};    // nobody waits longer for a command to end
// A connection that was silent for longer is made anew: the console may have closed it.
inline constexpr seconds kConsoleSilence{20};

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
  std::vector<pki::Certificate> roots;     // the console's certificate must lead to one of them
  std::string login;
};

// One login session, and the TLS connection on which it was used last. One request at a time. Move-only.
class ConsoleClient {
 public:
  // Connects, verifies the console by its root (its revocation is not asked for), logs in. Borrows the clock for its
  // lifetime. Errc::unauthorized: another server's certificate, or login refused.
  static net::Task<Result<ConsoleClient>> log_in(ConsoleLogin login, SecretBytes password, const Clock& clock);

  // `path` is below /api/v1. An answer that is no success becomes an Error with the problem's title and detail:
  // Errc::unauthorized where access is switched off too, Errc::unavailable for a device that is offline.
  net::Task<Result<codec::Json>> get(std::string path);
  net::Task<Result<codec::Json>> post(std::string path, codec::Json body);
  net::Task<Result<void>> log_out();

 private:
  ConsoleClient(ConsoleLogin login, const Clock& clock) : login_(std::move(login)), clock_(&clock) {}
  net::Task<Result<void>> connect(net::Deadline deadline);
  net::Task<Result<codec::Json>> call(http::Request request);

  ConsoleLogin login_;
  const Clock* clock_;
  std::optional<http::Client> connection_;
  Instant used_at_{};
  milliseconds limit_ = kConsoleLimit;
  std::string cookie_;
  std::string csrf_;
};

}  // namespace sallyport::cli
