// What HTTP proxies ask for, a line for each field of each answer, an empty line between answers: the password is never
// said where Digest alone is allowed, no line of ours has a line's end within it, and nobody is asked without end.
#include <cstdint>
#include <cstdlib>

#include "base/random.h"
#include "tunnel/limits.h"
#include "tunnel/proxy_login.h"

using namespace sallyport;

namespace {

constexpr std::string_view kPassword = "open sesame";
constexpr std::string_view kPasswordOfBasic = "YWRhOm9wZW4gc2VzYW1l";

// The fields of the next answer; absent where there is none.
std::optional<std::vector<tunnel::AuthChallenge>> next_answer(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  std::vector<tunnel::AuthChallenge> out;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.empty()) break;
    // As the reader of heads lets them pass.
    if (line.find_first_of(std::string_view("\r\0", 2)) == std::string_view::npos) tunnel::read_challenges(line, out);
  }
  if (out.size() > tunnel::kMaxAuthChallenges) std::abort();
  return out;
}

void check_line(const tunnel::ShownLogin& shown, bool is_digest_alone) {
  const std::string_view line = as_text(shown.line.expose());
  if (line.empty() != (shown.scheme == tunnel::LoginScheme::none)) std::abort();
  if (line.empty()) return;
  if (!line.starts_with("Proxy-Authorization: ") || line.find_first_of("\r\n") != line.size() - 2) std::abort();
  if (line.find('\0') != std::string_view::npos || line.contains(kPassword)) std::abort();
  if (is_digest_alone && line.contains(kPasswordOfBasic)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool is_digest_alone = (data[0] & 1U) != 0;
  std::string_view rest = as_text(ByteView(data + 1, size - 1));
  // A proxy that says it itself hears it again.
  if (rest.contains(kPassword) || rest.contains(kPasswordOfBasic)) return 0;
  SeededRandom random(1);
  const auto credentials = std::make_shared<const tunnel::ProxyCredentials>(
      tunnel::ProxyCredentials{.user = "ada", .password = SecretBytes(kPassword)});
  tunnel::ProxyLogin login(credentials, is_digest_alone ? tunnel::LoginRule::digest_alone : tunnel::LoginRule::any,
                           random);
  for (unsigned requests = 1;; ++requests) {
    const auto shown = login.show("CONNECT", "relay.example:443");
    if (!shown) std::abort();
    check_line(*shown, is_digest_alone);
    const auto answer = next_answer(rest);
    if (!answer) return 0;
    if (login.take_challenges(*answer, *shown, requests)) {
      if (requests >= tunnel::kMaxProxyRequests) std::abort();
      continue;
    }
    requests = 0;
  }
}
