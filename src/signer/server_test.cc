#include "signer/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <functional>

#include "crypto/key.h"
#include "net/connect.h"
#include "net/io.h"
#include "net/rpc.h"
#include "pki/issue.h"

namespace sallyport::signer {
namespace {

constexpr UnixTime kServedAt{1'800'000'000};

// Runs `body` in a child and returns its exit status; 99 when it did not exit by itself.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return 99;
  return WEXITSTATUS(status);
}

// A signer with nothing but an online-ca.
Signer make_signer(const Clock& clock) {
  SeededRandom random(1);
  auto root_key = crypto::PrivateKey::generate();
  auto key = std::make_unique<crypto::PrivateKey>(crypto::PrivateKey::generate());
  const auto fields = [&](const pki::Profile& profile, const crypto::PublicKey& subject,
                          std::vector<std::string> permitted) {
    return pki::CertificateFields{.common_name = "test",
                                  .public_key = subject,
                                  .validity = pki::choose_validity(profile, nullptr, kServedAt, 1'000 * kDay),
                                  .serial = pki::SerialNumber::draw(random),
                                  .permitted_dns = std::move(permitted)};
  };
  const auto& root_profile = pki::profile(pki::ProfileId::root);
  const auto root = *pki::issue(
      *pki::prepare_self_signed(root_profile, fields(root_profile, root_key.public_key(), {}), kServedAt), root_key);
  const auto& profile = pki::profile(pki::ProfileId::online_ca);
  auto certificate = *pki::issue(
      *pki::prepare(profile, fields(profile, key->public_key(), {"devices.example"}), root, kServedAt), root_key);
  Keys keys;
  keys.cas.push_back({.name = "online-ca", .certificate = std::move(certificate), .key = std::move(key)});
  return *Signer::create(std::move(keys), clock);
}

net::Task<void> ask(std::string path, net::Io& io, std::optional<Result<Bytes>>& answer) {
  auto stream = co_await net::connect_unix(std::move(path), milliseconds(5'000));
  if (stream) {
    const auto peer = net::RpcPeer::start(*std::move(stream), net::RpcOptions());
    Bytes request{0xFF};
    answer.emplace(co_await peer->call(std::move(request), milliseconds(5'000)));
    peer->close();
  }
  io.stop();
}

// What a client of this process's uid is answered when the signer admits `allowed`.
std::optional<Result<Bytes>> answer_for(uid_t allowed) {
  char name[] = "/tmp/sallyport-signer-XXXXXX";
  EXPECT_NE(::mkdtemp(name), nullptr);
  const std::string path = std::string(name) + "/signer.sock";
  const ManualClock clock(kServedAt);
  auto signer = make_signer(clock);
  std::optional<Result<Bytes>> answer;
  {
    net::Io io;
    auto listener = *net::Listener::unix_socket(io.executor(), path);
    net::spawn(io.executor(), serve_signer(*listener, signer, allowed), "signer");
    net::spawn(io.executor(), ask(path, io, answer), "client");
    io.run();
  }
  std::filesystem::remove_all(name);
  return answer;
}

TEST(SignerSocket, AnswersItsAuthority) {
  const auto answer = answer_for(::getuid());
  ASSERT_TRUE(answer && *answer);
  const auto parsed = pki::parse_signing_answer(**answer);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(std::get<Error>(*parsed).code, Errc::malformed);
}

TEST(SignerSocket, AnswersNobodyElse) {
  const auto answer = answer_for(::getuid() + 1);
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, Errc::unavailable);
}

TEST(SignerSandbox, LeavesNoWayToFilesNetworkAndPrograms) {
  const std::vector<std::pair<const char*, std::function<int()>>> attempts{
      {"open", [] { return ::open("/etc/passwd", O_RDONLY); }},
      {"create", [] { return ::open("/tmp/sallyport-sandbox", O_WRONLY | O_CREAT, 0600); }},
      {"TCP socket", [] { return ::socket(AF_INET, SOCK_STREAM, 0); }},
      {"Unix socket", [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }},
      {"fork", [] { return static_cast<int>(::fork()); }},
      {"execute",
       [] {
         std::array<char*, 1> none{nullptr};
         return ::execve("/bin/true", none.data(), none.data());
       }},
      {"executable memory",
       [] {
         return ::mmap(nullptr, 4'096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                        MAP_FAILED
                    ? -1
                    : 0;
       }},
      {"signals to others", [] { return ::kill(::getpid(), 0); }},
  };
  for (const auto& [what, attempt] : attempts) {
    EXPECT_EQ(in_child([&] {
                if (!confine_signer()) return 50;
                return attempt() == -1 && errno == EPERM ? 0 : 1;
              }),
              0)
        << what;
  }
}

TEST(SignerSandbox, LeavesSigning) {
  EXPECT_EQ(in_child([] {
              auto key = crypto::PrivateKey::generate();
              if (!confine_signer()) return 50;
              return key.sign(as_bytes("message")) && crypto::PrivateKey::generate().sign(as_bytes("message")) ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace sallyport::signer
