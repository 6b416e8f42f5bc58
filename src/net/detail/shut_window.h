// Peers that do not read for a while.
#pragma once

#include "base/time.h"

namespace sallyport::net {

// Well below any TCP_USER_TIMEOUT.
inline constexpr milliseconds kWindowLook{4'000};

// Linux ends a connection by TCP_USER_TIMEOUT also when its peer is there, answers every probe and has only shut its
// window for so long (net/ipv4/tcp_timer.c, tcp_probe_timer), whether a write waits or the kernel holds the rest. While
// the window is shut this takes the timeout off; a peer that then dies is noticed by unanswered probes, after many
// minutes.
class ShutWindow {
 public:
  // Called every kWindowLook while the kernel may hold bytes for the peer. Whether it does, so that it must be called
  // again. Nothing happens for what is no TCP socket or has no timeout.
  bool look(int socket);
  // Called when the write went on: puts the timeout back.
  void opened(int socket);
  // Called before a connection is closed in order: the kernel has a limit of its own for what is sent after that.
  static void let_go(int socket);

 private:
  int timeout_ms_ = 0;  // taken off
};

}  // namespace sallyport::net
