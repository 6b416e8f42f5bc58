// A real mosquitto, the certificates that it shows, and connections of ours to it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mqtt/connection.h"
#include "net/io.h"
#include "net/timer.h"
#include "programs.h"

namespace sallyport::brokers_test {

inline constexpr milliseconds kSoon{10'000};  // nothing takes that long unless it is broken

// Listens on loopback, allows anybody unless `settings` says otherwise.
class Mosquitto {
 public:
  // `settings`: lines of mosquitto.conf after the listener; {} in them is this broker's folder.
  explicit Mosquitto(std::string settings = "allow_anonymous true\n");
  // Kills it without a word, and starts it again on the same port.
  void kill();
  void start();

  std::string port() const { return port_; }
  net::Address address() const;
  const Folder& folder() const { return folder_; }
  mqtt::ConnectionOptions options(mqtt::Version version = mqtt::Version::v5) const;
  // mosquitto_pub with further arguments.
  void publish(std::vector<std::string> arguments) const;

 private:
  Folder folder_;
  std::string port_ = free_port();
  std::unique_ptr<Program> program_;
};

// A CA of openssl's, and what it signs: files NAME.pem and NAME.key.
void make_ca(const Folder& folder, const std::string& name);
void make_certificate(const Folder& folder, const std::string& ca, const std::string& name,
                      const std::string& extensions, const std::string& key_type = "ec");

// What a connection told, one line each.
struct Told {
  explicit Told(net::Io& io) : changed(io.executor()) {}
  mqtt::ConnectionHandlers handlers();
  std::size_t count(const std::string& beginning) const;
  // Waits until `times` lines begin like that.
  net::Task<void> until(std::string beginning, std::size_t times = 1);

  std::vector<std::string> lines;
  net::Event changed;

 private:
  void add(std::string line);
};

mqtt::Topic topic(const std::string& text);
mqtt::TopicFilter filter(const std::string& text);

}  // namespace sallyport::brokers_test
