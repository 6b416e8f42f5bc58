// What the tests of console/ share: a console that runs in the test's process behind an authority and a gateway of
// their own, and a browser that speaks to it through the relay's hand-over.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codec/text.h"
#include "console/console.h"
#include "console/login_sessions.h"
#include "console/password.h"
#include "crypto/hash.h"
#include "crypto/system_random.h"
#include "http/client.h"
#include "net/connect.h"
#include "net/descriptor_passing.h"
#include "net/rpc.h"
#include "net/run.h"
#include "net/tls_stream.h"
#include "pki/csr.h"
#include "pki/issue.h"

namespace sallyport::console {

inline constexpr UnixTime kTestNow{1'800'000'000};
inline constexpr milliseconds kSoon{10'000};  // nothing takes that long unless it is broken
inline constexpr std::string_view kTestOrigin = "https://console.example:8443";
inline constexpr std::string_view kTestPassword = "correct horse battery";
inline constexpr std::string_view kTestDevice = "abcdefgh22";  // of the tenant "acme"

struct TestUser {
  std::string role;
  std::string tenant;
  std::string password_hash;
  bool enabled = true;
};

// Answers as the authority does for users, login sessions, one device and certificates; remembers everything else.
class TestAuthority {
 public:
  explicit TestAuthority(Random& random);

  net::Task<void> serve(net::Listener& listener);
  void announce(std::string_view event, std::string_view tenant, codec::Json data);
  // Puts a session as a login would; returns the cookie's value.
  std::string add_session(const std::string& login);
  const pki::Certificate& root() const { return *root_; }

  std::map<std::string, TestUser> users;
  std::map<std::string, codec::Json::Object> sessions;  // by token_sha256
  std::vector<records::AdminRequest> asked;             // by people
  std::optional<Error> refusal;                         // of the next question of a person
  codec::Json since;                                    // from when on a device's history may be seen; null: all of it
  std::function<void()> on_found;                       // once, when a user was looked up for a password check
  const std::string csrf = std::string(64, 'c');
  Bytes crl;                                           // of online-ca, told in two portions; empty: none
  bool crl_changes = false;                            // between the two
  std::string metrics = "sallyport_time_seconds 1\n";  // empty: refused

 private:
  net::Task<Result<Bytes>> answer(Bytes request, net::Caller caller);
  Result<Bytes> certify(ByteView fields);
  Result<codec::Json> administer(const records::AdminRequest& request);
  Result<codec::Json> crl_portion(const codec::Json::Object& parameters) const;
  Result<codec::Json> for_console(const records::AdminRequest& request, const codec::Json::Object& parameters);
  pki::Certificate issue_ca();

  Random& random_;
  crypto::PrivateKey root_key_ = crypto::PrivateKey::generate();
  crypto::PrivateKey ca_key_ = crypto::PrivateKey::generate();
  std::optional<pki::Certificate> root_;
  std::optional<pki::Certificate> ca_;
  std::shared_ptr<net::RpcPeer> console_;
};

class ConsoleTest : public ::testing::Test {
 protected:
  ConsoleTest();
  ~ConsoleTest() override;
  void SetUp() override;
  net::Task<void> serve_caller();
  net::Task<Result<Bytes>> answer_call(Bytes request, net::Caller caller);

  // A connection over TLS as the relay hands it over; empty when the console closed it.
  std::optional<net::StreamPtr> connect(const std::string& server_name = "console.example");
  http::Response send(http::Request request);
  // As the front end asks: GET, or POST with everything that a good request has, under `cookie`.
  http::Request get(const std::string& target, const std::string& cookie = {}) const;
  http::Request post(const std::string& target, const std::string& body, const std::string& cookie = {}) const;
  // The name of the problem of an answer, after checking that the answer is one.
  std::string problem_of(const http::Response& response);
  static codec::Json json_of(const http::Response& response);
  // The value of the cookie that an answer sets, after checking its flags.
  static std::string cookie_of(const http::Response& response);
  // Reads until `wanted` has come or the stream has ended; returns all that came.
  std::string read_until(net::Stream& stream, std::string wanted);

  net::Io io;
  ManualClock clock{kTestNow};
  crypto::SystemRandom random;
  std::filesystem::path folder;
  TestAuthority authority{random};
  std::vector<std::string> telemetry_questions;
  std::vector<std::string> caller_questions;
  std::map<std::string, Result<std::string>> caller_answers;  // by act; others are answered {}
  std::shared_ptr<net::RpcPeer> caller_peer;                  // of the console
  bool has_caller = true;
  std::unique_ptr<net::Listener> authority_listener;
  std::unique_ptr<net::Listener> telemetry_listener;
  std::unique_ptr<net::Listener> caller_listener;
  std::unique_ptr<net::Listener> console_listener;
  std::unique_ptr<Console> console;
};

}  // namespace sallyport::console
