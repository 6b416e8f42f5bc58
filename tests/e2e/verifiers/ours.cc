// Our own verifier for test_six_verifiers.py, with the same command line as verify.go and Verify.java:
//
//   ours ROOT.pem (PURPOSE NAME CHAIN.pem)…
//
// PURPOSE is factory-device (NAME is the zone), server or foreign-server (NAME is the server). One line for each chain:
// "ok", or "refused REASON: sentence". Judges by the present. Exit status 2 when it cannot tell.
#include <cstdio>
#include <filesystem>
#include <string_view>

#include "base/time.h"
#include "keystore/file.h"
#include "pki/verify.h"

namespace sallyport {
namespace {

constexpr std::size_t kMaxPemBytes = 64U << 10U;

Result<std::vector<pki::Certificate>> read_certificates(std::string_view file) {
  TRY(const auto text, keystore::read_file(std::filesystem::path(file), kMaxPemBytes));
  return pki::parse_certificates_pem(as_text(text));
}

Result<pki::Purpose> purpose_of(std::string_view word, std::string_view name) {
  TRY(auto host, parse_dns_name(name));
  if (word == "factory-device") return pki::FactoryDevicePurpose{.zone = host};
  if (word == "server") return pki::ServerPurpose{.name = host};
  if (word == "foreign-server") return pki::ForeignServerPurpose{.name = host};
  return failf(Errc::malformed, "purpose: found {}, want factory-device, server or foreign-server", word);
}

Result<void> judge(std::span<char* const, 3> words, std::span<const pki::Certificate> anchors) {
  TRY(const auto purpose, purpose_of(words[0], words[1]));
  const auto chain = read_certificates(words[2]);
  // A certificate that does not parse is a refusal of this verifier's, as it would be of a peer's.
  if (!chain) {
    fmt::print("refused {}: {}\n", to_string(pki::Reason::malformed), chain.error().detail);
    return {};
  }
  const auto verdict = pki::verify_chain(*chain, anchors, purpose, pki::TimeRule::clock(SystemClock().now()));
  if (verdict) {
    fmt::print("ok\n");
  } else {
    fmt::print("refused {}: {}\n", to_string(verdict.error().reason), verdict.error().error.detail);
  }
  return {};
}

Result<void> run(std::span<char* const> arguments) {
  if (arguments.size() < 5 || arguments.size() % 3 != 2)
    return fail(Errc::malformed, "usage: ours ROOT.pem (PURPOSE NAME CHAIN.pem)…");
  TRY(const auto anchors, read_certificates(arguments[1]));
  for (auto rest = arguments.subspan(2); !rest.empty(); rest = rest.subspan(3))
    TRY_VOID(judge(rest.first<3>(), anchors));
  return {};
}

}  // namespace
}  // namespace sallyport

int main(int count, char** words) {
  const auto done = sallyport::run({words, static_cast<std::size_t>(count)});
  if (done) return 0;
  std::fprintf(stderr, "ours: %s\n", done.error().detail.c_str());
  return 2;
}
