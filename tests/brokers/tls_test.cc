// TLS towards brokers: whose certificate is taken, which name it must have, and our own certificate.
#include "mosquitto.h"
#include "net/connect.h"
#include "net/run.h"
#include "rpcnode/broker_tls.h"

#include <chrono>

namespace sallyport::brokers_test {
namespace {

using mqtt::Connection;

pki::TimeRule by_the_system() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return pki::TimeRule::clock(UnixTime(std::chrono::duration_cast<seconds>(now).count()));
}

// Two CAs, certificates of the first for a broker and a client, one of the second for a client; made once.
const Folder& certificates() {
  static const Folder folder;
  static const bool made = [] {
    make_ca(folder, "ca");
    make_ca(folder, "other-ca");
    const std::string server = "extendedKeyUsage=serverAuth\nsubjectAltName=DNS:broker.test,IP:127.0.0.1\n";
    make_certificate(folder, "ca", "broker", server);
    make_certificate(folder, "ca", "rsa-broker", server, "rsa");
    make_certificate(folder, "ca", "client", "extendedKeyUsage=clientAuth\n");
    make_certificate(folder, "other-ca", "stranger", "extendedKeyUsage=clientAuth\n");
    return true;
  }();
  EXPECT_TRUE(made);
  return folder;
}

std::string settings_with(const std::string& server, const std::string& more = "") {
  const auto& folder = certificates();
  return "allow_anonymous true\ncertfile " + folder.path(server + ".pem") + "\nkeyfile " +
         folder.path(server + ".key") + "\n" + more;
}

struct Attempt {
  std::string ca = "ca";
  std::string name = "broker.test";
  std::string identity;
  std::string wanted = "connected";
};

net::Task<void> play_attempt(Connection& connection, Told& told, std::string wanted) {
  co_await told.until(wanted);
  if (wanted != "connected") {
    EXPECT_EQ(told.count("connected"), 0U);
    co_return;
  }
  auto done = co_await connection.publish(topic("a"), to_bytes("x"), {}, kSoon);
  EXPECT_TRUE(done);
}

void attempt(mqtt::ConnectionOptions options, const Attempt& one) {
  const auto& folder = certificates();
  rpcnode::BrokerTlsFiles files{
      .ca_pem = folder.read(one.ca + ".pem"), .name = one.name, .certificate_pem = {}, .key_pem = {}};
  if (!one.identity.empty()) {
    files.certificate_pem = folder.read(one.identity + ".pem");
    files.key_pem = SecretBytes(folder.read(one.identity + ".key"));
  }
  auto tls = rpcnode::make_broker_tls(files, by_the_system);
  ASSERT_TRUE(tls) << tls.error().detail;
  options.tls = *std::move(tls);
  net::ignore_sigpipe();
  net::Io io;
  SeededRandom random(5);
  Told told(io);
  auto opened = Connection::open(io.executor(), random, std::move(options), told.handlers());
  ASSERT_TRUE(opened);
  net::run(io, play_attempt(**opened, told, one.wanted));
  net::run(io, (*opened)->disconnect());
}

TEST(TlsBroker, IsTakenWithACertificateOfItsCaForItsName) {
  Mosquitto broker(settings_with("broker"));
  broker.start();
  attempt(broker.options(mqtt::Version::v5), {});
  attempt(broker.options(mqtt::Version::v3_1_1), {});
  attempt(broker.options(), {.name = "127.0.0.1"});
}

TEST(TlsBroker, IsRefusedUnderAnotherCaOrAnotherName) {
  Mosquitto broker(settings_with("broker"));
  broker.start();
  attempt(broker.options(), {.ca = "other-ca", .wanted = "disconnected: mqtt broker: "});
  attempt(broker.options(), {.name = "other.test", .wanted = "disconnected: mqtt broker: "});
  attempt(broker.options(), {.name = "127.0.0.2", .wanted = "disconnected: mqtt broker: "});
}

TEST(TlsBroker, IsRefusedWhenItsCertificateIsForClients) {
  Mosquitto broker(settings_with("client"));
  broker.start();
  attempt(broker.options(), {.wanted = "disconnected: mqtt broker: "});
}

TEST(TlsBroker, MayHaveRsaAndMayAskForOurCertificate) {
  const auto ca = certificates().path("ca.pem");
  Mosquitto broker(settings_with("rsa-broker", "cafile " + ca + "\nrequire_certificate true\n"));
  broker.start();
  attempt(broker.options(), {.identity = "client"});
  attempt(broker.options(), {.wanted = "disconnected: "});
  attempt(broker.options(), {.identity = "stranger", .wanted = "disconnected: "});
}

// openssl s_server speaks no MQTT and waits for the end of a line of HTTP: what shows is whether TLS came about.
void attempt_version(const std::string& version, const std::string& wanted, const std::string& certificate) {
  const auto& folder = certificates();
  const std::string port = free_port();
  Program server({"openssl", "s_server", "-accept", "127.0.0.1:" + port, version, "-www", "-cert",
                  folder.path(certificate + ".pem"), "-key", folder.path(certificate + ".key"), "-cipher",
                  "ALL:@SECLEVEL=0"});
  ASSERT_TRUE(server.wait_for("ACCEPT"));
  mqtt::ConnectionOptions options;
  options.broker = {.host = "127.0.0.1", .port = static_cast<std::uint16_t>(std::stoi(port))};
  options.connect_limit = milliseconds(1'500);
  attempt(std::move(options), {.wanted = wanted});
}

TEST(TlsBroker, MayStillSpeakTls12AndNothingOlder) {
  const std::string up = "disconnected: the broker does not answer CONNECT";
  attempt_version("-tls1_3", up, "broker");
  attempt_version("-tls1_2", up, "broker");
  attempt_version("-tls1_2", up, "rsa-broker");
  attempt_version("-tls1_1", "disconnected: mqtt broker: tls", "broker");
}

net::Task<bool> reaches(std::string port, bool foreign) {
  crypto::TlsClientSettings settings;
  settings.verify_server = [](std::span<const Bytes>) { return Result<void>(); };
  settings.foreign_server = foreign;
  auto context = crypto::TlsContext::client(std::move(settings));
  const net::Address address{.host = "127.0.0.1", .port = static_cast<std::uint16_t>(std::stoi(port))};
  auto lower = co_await net::connect_tcp(address, kSoon);
  EXPECT_TRUE(context && lower);
  auto stream = co_await net::tls_connect(*std::move(lower), *std::move(context), "broker.test", kSoon);
  co_return stream.has_value();
}

TEST(TlsBroker, IsTheOnlyServerToWhichTls12IsSpoken) {
  const auto& folder = certificates();
  const std::string port = free_port();
  Program server({"openssl", "s_server", "-accept", "127.0.0.1:" + port, "-tls1_2", "-www", "-cert",
                  folder.path("broker.pem"), "-key", folder.path("broker.key")});
  ASSERT_TRUE(server.wait_for("ACCEPT"));
  net::ignore_sigpipe();
  net::Io io;
  EXPECT_EQ(net::run(io, reaches(port, false)), false);
  EXPECT_EQ(net::run(io, reaches(port, true)), true);
}

TEST(TlsBroker, NeedsACaANameAndAKeyThatFits) {
  const auto& folder = certificates();
  const auto refused = [](rpcnode::BrokerTlsFiles files) {
    const auto made = rpcnode::make_broker_tls(files, by_the_system);
    return !made;
  };
  const auto files = [&](const std::string& ca, const std::string& name) {
    return rpcnode::BrokerTlsFiles{.ca_pem = ca, .name = name, .certificate_pem = {}, .key_pem = {}};
  };
  EXPECT_FALSE(refused(files(folder.read("ca.pem"), "broker.test")));
  EXPECT_TRUE(refused(files("", "broker.test")));
  EXPECT_TRUE(refused(files("no certificate", "broker.test")));
  EXPECT_TRUE(refused(files(folder.read("ca.pem"), "")));
  EXPECT_TRUE(refused(files(folder.read("ca.pem"), "*.test")));
  auto alien = files(folder.read("ca.pem"), "broker.test");
  alien.certificate_pem = folder.read("client.pem");
  alien.key_pem = SecretBytes(folder.read("stranger.key"));
  EXPECT_TRUE(refused(std::move(alien)));
}

}  // namespace
}  // namespace sallyport::brokers_test
