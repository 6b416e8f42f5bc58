// A connection to one broker that comes back by itself. What is in the messages is nobody's business here: the broker
// is assumed to be evil, and is bounded, not trusted.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/secret.h"
#include "mqtt/session.h"
#include "net/address.h"
#include "net/deadline.h"
#include "net/task.h"
#include "net/tls_stream.h"

namespace sallyport::mqtt {

inline constexpr std::size_t kMaxSubscriptions = 256;
inline constexpr std::size_t kMaxWillBytes = 64 * 1024;

// TLS of a broker: the context has the verifier, which knows the name that the certificate must have, and our own
// certificate if there is one. There is no way to leave the verifier out.
struct BrokerTls {
  std::shared_ptr<crypto::TlsContext> context;
  std::string server_name;  // for SNI; an IP address is not sent
};

struct ConnectionOptions {
  net::Address broker;
  Version version = Version::v5;
  std::optional<BrokerTls> tls;  // absent: plain TCP
  std::string client_id;         // empty: drawn at random for each connection, with a clean session alone
  bool clean_session = true;
  seconds session_expiry{3'600};  // MQTT 5, how long the broker keeps a session that is not clean
  std::string user_name;          // empty: none
  SecretBytes password;           // empty: none
  std::optional<Will> will;
  seconds keep_alive{60};  // 2 to 65,535; half of it is how often the broker must be heard
  SessionLimits limits;
  milliseconds connect_limit{20'000};  // for TCP, TLS and the broker's CONNACK together
  milliseconds write_limit{20'000};    // a broker that takes nothing for so long is left
  // After a loss the wait is drawn from nothing to a bound, which begins at the first and doubles up to the second; it
  // begins anew once a connection lasted half a keep-alive interval.
  milliseconds first_retry{1'000};
  milliseconds longest_retry{120'000};
};

// Called on the connection's executor, in the order of events, never after close(), and never from inside a function of
// the connection. They must not block, and may call close() or end the connection. Nothing more is read from the broker
// until they return: that is the back-pressure, and there is no queue of messages. Any may be empty.
struct ConnectionHandlers {
  std::function<void(bool session_present)> on_connected;
  // A connection, or an attempt to get one, has ended; the next attempt follows by itself.
  std::function<void(const Error& reason)> on_disconnected;
  std::function<void(Message message)> on_message;
  // A verdict on a subscription, after each connect anew. Errc::unauthorized: refused, and asked for again at the next
  // connect.
  std::function<void(const TopicFilter& filter, const Result<void>& verdict)> on_subscribed;
};

// Belongs to its executor. Ends by close() or its destructor, in any state.
class Connection {
 public:
  // Begins to connect. Errc::malformed: options that no broker could take, or a session that is to be kept without a
  // client identifier. Borrows `random` until close().
  static Result<std::unique_ptr<Connection>> open(net::Executor executor, Random& random, ConnectionOptions options,
                                                  ConnectionHandlers handlers);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Remembers the subscription, which is made at each connect, and returns when the broker has granted it.
  // Errc::unavailable when there is no connection or it ends first, Errc::expired; the subscription is kept in either
  // case. Errc::unauthorized when it is refused. Errc::overloaded, and nothing is kept, above kMaxSubscriptions.
  net::Task<Result<void>> subscribe(TopicFilter filter, net::Deadline deadline);
  // The same for those who wait for on_subscribed, or for nothing.
  Result<void> keep_subscribed(const TopicFilter& filter);
  // Forgets the subscription, and returns when the broker has as well.
  net::Task<Result<void>> unsubscribe(TopicFilter filter, net::Deadline deadline);

  // Returns when the broker has acknowledged the message (QoS 1), or when it is queued (QoS 0). Nothing is kept over a
  // loss and nothing is sent twice: at Errc::unavailable or Errc::expired it may or may not have reached the broker.
  // Errc::overloaded at once when a limit is reached, Errc::unauthorized when the broker refuses the topic.
  net::Task<Result<void>> publish(Topic topic, Bytes payload, PublishOptions options, net::Deadline deadline);

  // Queues the message for a connected broker and waits for nothing: who needs to know whether it arrived hears of it
  // by other means. A refusal is logged. Errors at once: Errc::unavailable without a connection, Errc::overloaded when
  // a limit is reached, Errc::malformed for what this broker takes never.
  Result<void> post(const Topic& topic, ByteView payload, const PublishOptions& options);

  // Returns when there is a connection, at once if there is one. Errc::expired, Errc::unavailable after close().
  net::Task<Result<void>> until_connected(net::Deadline deadline);
  bool is_connected() const;
  // Messages with a topic above the limits of mqtt/topic.h, which nobody was told of.
  std::uint64_t dropped() const;

  // Ends at once: no handler is called any more, who waits gets Errc::unavailable. The broker sees the connection break
  // and publishes the will.
  void close();
  // Takes leave as MQTT has it, within kGoodbyeLimit, then closes, and returns when no task of the connection is left.
  net::Task<void> disconnect();

 private:
  struct State;
  explicit Connection(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

inline constexpr milliseconds kGoodbyeLimit{1'000};

}  // namespace sallyport::mqtt
