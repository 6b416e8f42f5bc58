// Several brokers at once: what one of them drops another may carry. Telling copies apart is left to whoever reads the
// messages (the tags of SR1 do it).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "mqtt/connection.h"

namespace sallyport::mqtt {

inline constexpr std::size_t kMaxBrokers = 8;

// As ConnectionHandlers; `broker` is the place in the list that was given. Any may be empty.
struct BrokersHandlers {
  std::function<void(std::size_t broker, bool session_present)> on_connected;
  std::function<void(std::size_t broker, const Error& reason)> on_disconnected;
  std::function<void(std::size_t broker, Message message)> on_message;
  std::function<void(std::size_t broker, const TopicFilter& filter, const Result<void>& verdict)> on_subscribed;
};

class Brokers {
 public:
  // Begins to connect to all. Errc::malformed when the options of one are wrong (it is named), there is none, or there
  // are more than kMaxBrokers. Borrows `random` until close().
  static Result<std::unique_ptr<Brokers>> open(net::Executor executor, Random& random,
                                               std::vector<ConnectionOptions> brokers, BrokersHandlers handlers);
  ~Brokers();
  Brokers(const Brokers&) = delete;
  Brokers& operator=(const Brokers&) = delete;

  // Errc::overloaded above kMaxSubscriptions.
  Result<void> keep_subscribed(const TopicFilter& filter);
  // Each asks all brokers and returns when the first has agreed; the rest goes on by itself. The error of the last when
  // none does, Errc::unavailable at once when none is connected.
  net::Task<Result<void>> subscribe(TopicFilter filter, net::Deadline deadline);
  net::Task<Result<void>> publish(Topic topic, Bytes payload, PublishOptions options, net::Deadline deadline);
  // As Connection::post, to all that are connected; the error of the last when none takes it.
  Result<void> post(const Topic& topic, ByteView payload, const PublishOptions& options);
  // To one alone: where something came from.
  net::Task<Result<void>> publish_to(std::size_t broker, Topic topic, Bytes payload, PublishOptions options,
                                     net::Deadline deadline);

  std::size_t size() const { return connections_.size(); }
  std::size_t connected() const;
  Connection& connection(std::size_t broker) { return *connections_[broker]; }

  void close();
  // Takes leave of all, one after the other.
  net::Task<void> disconnect();

 private:
  Brokers() = default;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace sallyport::mqtt
