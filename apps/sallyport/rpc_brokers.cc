#include "rpc_brokers.h"

#include <utility>

#include "base/log.h"
#include "net/timer.h"

namespace sallyport::cli {

BrokerSession::~BrokerSession() {
  io_.restart();
  if (links_) net::run(io_, links_->disconnect());
  io_.restart();
  net::run(io_, tasks_.stop());
}

Result<void> BrokerSession::open(std::vector<rpcnode::BrokerSettings> brokers, rpcnode::BrokerHandlers handlers) {
  handlers.on_connected = [this, told = std::move(handlers.on_connected)](const rpcnode::BrokerSettings& broker) {
    was_connected_ = true;
    last_fault_.clear();
    if (told) told(broker);
  };
  handlers.on_disconnected = [this, told = std::move(handlers.on_disconnected)](const rpcnode::BrokerSettings& broker,
                                                                                const Error& why) {
    last_fault_ = net::to_string(broker.address) + ": " + log::escape(why.detail);
    if (told) told(broker, why);
  };
  TRY(links_, rpcnode::BrokerLinks::open(tasks_, environment_.clock, environment_.random, std::move(brokers),
                                         std::move(handlers)));
  return {};
}

void BrokerSession::listen(std::optional<milliseconds> limit) {
  io_.restart();
  if (limit) {
    net::run(io_, net::sleep_for(*limit));
  } else {
    io_.run();
  }
}

void BrokerSession::end_by_signals() {
  io_.on_termination([this] { io_.stop(); });
}

}  // namespace sallyport::cli
