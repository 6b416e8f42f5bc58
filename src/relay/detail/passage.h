// A user joined with a data connection: spliced where both are plain sockets, copied where the data connection is TLS.
// State of Visits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "net/splice.h"
#include "net/stream.h"

namespace sallyport::relay {

class Passage {
 public:
  // Told once, never from within the call that made the passage.
  using OnEnd = std::function<void()>;

  virtual ~Passage() = default;
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;

  // Breaks both sides at once.
  virtual void abort() = 0;
  // Called every kWindowRound.
  virtual void look_at_windows() = 0;
  virtual std::uint64_t to_device() const = 0;
  virtual std::uint64_t to_user() const = 0;

 protected:
  Passage() = default;
};

// Borrows the pool until it ended.
// Takes the sockets out of `user` and `data` as Splice::start() does.
std::shared_ptr<Passage> splice_passage(net::RawSocket& user, net::RawSocket& data, net::PipePool& pool,
                                        Passage::OnEnd on_end);
// Half-close, back-pressure and memory as net::copy_both_ways; what was copied is wiped.
std::shared_ptr<Passage> copy_passage(net::StreamPtr user, net::StreamPtr data, Passage::OnEnd on_end);

}  // namespace sallyport::relay
