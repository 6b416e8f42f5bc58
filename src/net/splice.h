// Joining two sockets inside the kernel: what one sends is moved to the other without being copied or seen.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "net/raw_socket.h"

namespace sallyport::net {

// Two ends of a pipe(2).
struct Pipe {
  Descriptor read_end;
  Descriptor write_end;
};

// Pipes made in advance: a process without privileges may grow only a few. One thread.
class PipePool {
 public:
  // Makes up to `count` pipes of `bytes` each. Where the system grants less it makes smaller or fewer ones: splicing
  // falls back to copying without a pipe.
  PipePool(std::size_t count, std::size_t bytes);

  std::optional<Pipe> take();
  // Takes back an empty pipe.
  void give_back(Pipe pipe);
  std::size_t free() const { return free_.size(); }
  std::size_t total() const { return total_; }

 private:
  std::vector<Pipe> free_;
  std::size_t total_ = 0;
};

// A read that fills this buffer begins a bulk transfer, which is spliced; what is smaller is cheaper to copy.
inline constexpr std::size_t kBulkThreshold = 16 * 1024;
// Bytes that one step moves at most before others get their turn.
inline constexpr std::size_t kSpliceStep = 1024 * 1024;

// Moves bytes both ways between two connected sockets until both directions have ended. The end of one direction is
// passed on as a half-close, a reset as a reset; a side that does not read stops the other. Holds a pipe, or at most
// kBulkThreshold bytes, per direction and only while bytes are in flight; what was copied is wiped. One thread; borrows
// the pool until it ended.
class Splice : public std::enable_shared_from_this<Splice> {
 public:
  // Why it ended: absent when both directions came to their orderly ends.
  using OnEnd = std::function<void(const std::optional<Error>& error)>;

  // Takes the sockets, which are open, out of both: they are closed from then on, and whoever waits for them is told.
  // `on_end` is called once, never from within start().
  static std::shared_ptr<Splice> start(RawSocket& left, RawSocket& right, PipePool& pool, OnEnd on_end);
  ~Splice();
  Splice(const Splice&) = delete;
  Splice& operator=(const Splice&) = delete;

  // Called every few seconds: a side that only does not read is not taken for dead (TCP_USER_TIMEOUT).
  void look_at_windows();
  // Resets both sides. `on_end` is told Errc::unavailable, later.
  void abort();
  std::uint64_t left_to_right() const;
  std::uint64_t right_to_left() const;

 private:
  struct State;
  Splice();
  struct Flow;
  void pump(Flow& flow);
  // Whether the next step may follow at once. Those that wait say no.
  bool move_once(Flow& flow);
  bool wait_to_read(Flow& flow);
  bool wait_to_write(Flow& flow);
  void finish(std::optional<Error> error);

  std::unique_ptr<State> state_;
};

}  // namespace sallyport::net
