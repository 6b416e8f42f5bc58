#include "mosquitto.h"

namespace sallyport::brokers_test {

Mosquitto::Mosquitto(std::string settings) {
  for (auto at = settings.find("{}"); at != std::string::npos; at = settings.find("{}"))
    settings.replace(at, 2, folder_.path("."));
  // As root it would give up its rights, and could not read the folder.
  folder_.write("mosquitto.conf", "listener " + port_ + " 127.0.0.1\nuser root\n" + settings);
}

void Mosquitto::start() {
  program_ =
      std::make_unique<Program>(std::vector<std::string>{"mosquitto", "-v", "-c", folder_.path("mosquitto.conf")});
  ASSERT_TRUE(program_->wait_for(" running"));
}

void Mosquitto::kill() {
  program_.reset();
}

net::Address Mosquitto::address() const {
  return {.host = "127.0.0.1", .port = static_cast<std::uint16_t>(std::stoi(port_))};
}

mqtt::ConnectionOptions Mosquitto::options(mqtt::Version version) const {
  mqtt::ConnectionOptions options;
  options.broker = address();
  options.version = version;
  options.first_retry = milliseconds(20);
  options.longest_retry = milliseconds(200);
  options.connect_limit = kSoon;
  return options;
}

void Mosquitto::publish(std::vector<std::string> arguments) const {
  std::vector<std::string> command{"mosquitto_pub", "-h", "127.0.0.1", "-p", port_};
  command.insert(command.end(), arguments.begin(), arguments.end());
  run_program(command);
}

void make_ca(const Folder& folder, const std::string& name) {
  run_program({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
               "2", "-subj", "/CN=" + name, "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout",
               folder.path(name + ".key"), "-out", folder.path(name + ".pem")});
}

void make_certificate(const Folder& folder, const std::string& ca, const std::string& name,
                      const std::string& extensions, const std::string& key_type) {
  std::vector<std::string> request{"openssl", "req", "-new", "-nodes", "-subj", "/CN=" + name, "-newkey"};
  if (key_type == "rsa")
    request.emplace_back("rsa:2048");
  else
    request.insert(request.end(), {"ec", "-pkeyopt", "ec_paramgen_curve:P-256"});
  request.insert(request.end(), {"-keyout", folder.path(name + ".key"), "-out", folder.path(name + ".csr")});
  run_program(request);
  folder.write(name + ".cnf",
               "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\n"
               "authorityKeyIdentifier=keyid\n" +
                   extensions);
  run_program({"openssl", "x509", "-req", "-in", folder.path(name + ".csr"), "-CA", folder.path(ca + ".pem"), "-CAkey",
               folder.path(ca + ".key"), "-CAcreateserial", "-days", "2", "-extfile", folder.path(name + ".cnf"),
               "-out", folder.path(name + ".pem")});
}

void Told::add(std::string line) {
  lines.push_back(std::move(line));
  changed.set();
}

mqtt::ConnectionHandlers Told::handlers() {
  mqtt::ConnectionHandlers out;
  out.on_connected = [this](bool present) { add(present ? "connected to a session" : "connected"); };
  out.on_disconnected = [this](const Error& why) { add("disconnected: " + why.detail); };
  out.on_message = [this](const mqtt::Message& message) {
    const std::string payload(as_text(message.payload));
    add(message.topic.get() + "=" + (payload.size() > 100 ? std::to_string(payload.size()) + " bytes" : payload) +
        (message.retained ? " retained" : "") + (message.duplicate ? " duplicate" : ""));
  };
  out.on_subscribed = [this](const mqtt::TopicFilter& what, const Result<void>& verdict) {
    add("subscribed " + what.get() + (verdict ? "" : ": " + verdict.error().detail));
  };
  return out;
}

std::size_t Told::count(const std::string& beginning) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(lines, [&](const std::string& line) { return line.starts_with(beginning); }));
}

net::Task<void> Told::until(std::string beginning, std::size_t times) {
  const net::Deadline deadline(kSoon);
  while (count(beginning) < times) {
    changed.clear();
    auto waited = co_await changed.wait(deadline);
    if (waited) continue;
    std::string all;
    for (const auto& line : lines) all += line + "\n";
    ADD_FAILURE() << "not told " << times << " times: " << beginning << "\n" << all;
    co_return;
  }
}

mqtt::Topic topic(const std::string& text) {
  return *mqtt::parse_topic(text);
}

mqtt::TopicFilter filter(const std::string& text) {
  return *mqtt::parse_topic_filter(text);
}

}  // namespace sallyport::brokers_test
