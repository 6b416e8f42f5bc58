// Calls between roles: requests, answers and events over one frame channel, several in flight, both ways.
//
//   frame := id u64 | kind u8 | body          kind: 1 request, 2 answer, 3 error, 4 event (id 0)
//   error body := errc u8 | sentence (UTF-8)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/frame_channel.h"
#include "net/timer.h"

namespace sallyport::net {

enum class RpcKind : std::uint8_t { request = 1, answer = 2, error = 3, event = 4 };

struct RpcFrame {
  std::uint64_t id = 0;
  RpcKind kind = RpcKind::event;
  Bytes body;
};
Bytes encode_rpc_frame(const RpcFrame& frame);
Result<RpcFrame> parse_rpc_frame(ByteView bytes);
Bytes encode_rpc_error(const Error& error);
// An Errc that we do not know becomes internal.
Result<Error> parse_rpc_error(ByteView body);

class RpcPeer;

// Who calls: the connection, for pushing events back, and what is known about its other end.
struct Caller {
  std::shared_ptr<RpcPeer> peer;
  const PeerInfo& info() const;
};

// Answers one request. Runs as a task of its own; an error goes to the caller as it is.
using RpcHandler = std::function<Task<Result<Bytes>>(Bytes request, Caller caller)>;
// Takes an event. Called in the order of arrival on the connection's executor; must not block.
using RpcEventSink = std::function<void(Bytes event, Caller caller)>;

struct RpcOptions {
  RpcHandler on_request;  // absent: every request is answered with Errc::not_found
  RpcEventSink on_event;  // absent: events are dropped
  std::size_t max_frame = kMaxFrame;
  std::size_t max_calls = 256;               // ours in flight, and theirs; more is Errc::overloaded
  std::size_t max_queued = 8 * 1024 * 1024;  // bytes that wait to be written; more is Errc::overloaded
  milliseconds write_limit{10'000};          // a frame that cannot be written in this time breaks the connection
};

// One end of a connection; the two ends are alike. Lives until the connection ends and nobody holds it. Belongs to its
// stream's executor.
class RpcPeer : public std::enable_shared_from_this<RpcPeer> {
 public:
  // Takes the stream and begins to read from it.
  static std::shared_ptr<RpcPeer> start(StreamPtr stream, RpcOptions options);
  ~RpcPeer();
  RpcPeer(const RpcPeer&) = delete;
  RpcPeer& operator=(const RpcPeer&) = delete;

  // Sends a request and waits for its answer. The peer's own error comes back as it sent it; Errc::expired at the
  // deadline (the answer is then dropped); Errc::unavailable as soon as the connection ends.
  Task<Result<Bytes>> call(Bytes request, Deadline deadline);
  // Queues an event; never waits. Errc::overloaded when the peer does not read, Errc::unavailable after the end.
  Result<void> send_event(Bytes event);
  // Returns when the connection has ended.
  Task<void> ended();
  bool is_open() const;
  void close();
  const PeerInfo& info() const;

 private:
  struct State;
  explicit RpcPeer(std::unique_ptr<State> state);
  static Task<void> read_frames(std::shared_ptr<RpcPeer> self);
  static Task<void> write_frames(std::shared_ptr<RpcPeer> self);
  static Task<void> answer(std::shared_ptr<RpcPeer> self, std::uint64_t id, Bytes request);
  void on_frame(RpcFrame frame);
  Result<void> enqueue(RpcFrame frame);
  void end();

  std::unique_ptr<State> state_;
};

// Serves one connection until it ends.
Task<void> serve_rpc(StreamPtr stream, RpcOptions options);

}  // namespace sallyport::net
