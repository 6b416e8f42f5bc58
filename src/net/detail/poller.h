// What the kernel tells of the descriptors of one loop.
#pragma once

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/descriptor.h"
#include "net/detail/link.h"
#include "net/task.h"

namespace sallyport::net {

class PolledDescriptor;
class Poller;

enum class Direction : std::uint8_t { read, write };

// Waits for a descriptor, in its own frame. One wait at a time; it ends when one of these is called, or with this.
class Watcher : public Link {
 public:
  // The descriptor may be ready, or an operation tells its error. Called by the loop itself, so it may resume a
  // coroutine, and end this and the descriptor.
  virtual void on_ready() = 0;
  // The descriptor was closed or given away. Called from within that: may not resume a coroutine.
  virtual void on_closed() = 0;
  // The loop is going: it lets go of what keeps this, and with it perhaps of itself.
  virtual void on_loop_end() = 0;

 protected:
  Watcher() = default;
  ~Watcher();

 private:
  friend PolledDescriptor;
  friend Poller;
  PolledDescriptor* watched_ = nullptr;  // while it waits
  Direction direction_{};
  bool is_woken_ = false;
};

// Owns a descriptor and its place in the loop's set. Not movable: the set knows it by its address. Must not outlive
// the loop; one thread.
class PolledDescriptor : public Link {
 public:
  // Closed at once where the kernel refuses it: it takes sockets and pipes, not files.
  PolledDescriptor(const Executor& executor, Descriptor descriptor);
  ~PolledDescriptor();

  // Told of what is so already as well. `watcher` waits for nothing yet. Costs a call only after the loop was told of
  // the direction and nobody has said since that it blocks, and the first time that somebody waits to write.
  void watch(Watcher& watcher, Direction direction);
  // Told of what happens from now on, and of what the loop was not told of yet. To read it costs no call.
  void watch_for_news(Watcher& watcher, Direction direction);
  // An operation would have blocked, or a read of a TCP stream took less than there was room for: nothing is there that
  // the loop was told of.
  void set_blocking(Direction direction);
  // Nothing has been told of since set_blocking().
  bool is_blocking(Direction direction) const { return known_of(direction) == Known::blocking; }
  // -1 once it is closed.
  int get() const { return descriptor_.get(); }
  bool is_open() const { return descriptor_.is_open(); }
  // Whether the loop was told that the peer has ended its direction or the connection is broken. What it had sent
  // before may be unread.
  bool has_hung_up() const { return has_hung_up_; }
  void close();
  // Takes the descriptor out of the set, open.
  Descriptor release();
  // Whoever waits is told that it is closed, though it stays open for the next who waits.
  void drop_watchers();

 private:
  friend Poller;
  friend Watcher;
  enum class Known : std::uint8_t { nothing, ready, blocking };
  const Known& known_of(Direction direction) const { return direction == Direction::read ? reading_ : writing_; }
  Known& known_of(Direction direction) { return direction == Direction::read ? reading_ : writing_; }
  bool append(Watcher& watcher, Direction direction);
  void forget(Watcher& watcher);
  void ask();
  void note(std::uint32_t events);
  Watcher* take_woken();

  Poller* poller_;
  Descriptor descriptor_;
  Link watchers_;
  bool has_write_interest_ = false;
  Known reading_ = Known::nothing;
  Known writing_ = Known::nothing;
  bool has_hung_up_ = false;
  bool has_urgent_bytes_ = false;
};

// The descriptors of a loop in a set of their own (epoll(7)), edge-triggered, which is one descriptor in the loop's.
// Most waits cost no call, where each of Asio's costs one; in return a turn in which anything is ready costs two. Waits
// keep the loop running as Asio's do. Not thread-safe.
class Poller final : public boost::asio::execution_context::service {
 public:
  using key_type = Poller;
  static boost::asio::execution_context::id id;

  // Throws boost::system::system_error when there is no descriptor left for it.
  explicit Poller(boost::asio::execution_context& context);

  // That of the loop that `executor` is of; stays as long as it.
  static Poller& of(const Executor& executor);

 private:
  friend PolledDescriptor;
  struct Looking;

  void shutdown() override;
  bool change(int operation, PolledDescriptor& descriptor) const;
  void began();
  void ended();
  void wait_for_set();
  void look();
  void tell_later();

  int set_;
  std::optional<boost::asio::posix::stream_descriptor> in_loop_;  // owns set_; until shutdown()
  Link quiet_;
  Link woken_;  // those of which somebody is to be told in this turn
  std::size_t waiting_ = 0;
  bool is_awaited_ = false;
  bool is_looking_ = false;
};

// Descriptors that one turn is told of at most; the rest comes in the next.
inline constexpr std::size_t kMaxEventsPerTurn = 128;

}  // namespace sallyport::net
