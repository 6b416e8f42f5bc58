// The sessions of a node, bounded (docs/protocol/sealed-rpc.md §8).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "sealed/detail/results.h"
#include "sealed/detail/session.h"
#include "sealed/responder.h"

namespace sallyport::sealed {

class SessionTable {
 public:
  struct Open {
    Principal principal;
    std::string inbox_topic;
    UnixTime opened;
    UnixTime until;  // with its caller's certificate
    std::uint64_t generation = 0;
    std::uint64_t last_use = 0;
    bool is_used = false;
    std::unique_ptr<NodeSession> session;  // null while it is being opened
  };

  explicit SessionTable(const ResponderLimits& limits) : limits_(limits) {}

  // Makes a place for a session, for which others may have to give way. Its answers can be addressed from now on, and
  // not after `until`.
  ReplyTo reserve(const Principal& principal, std::string inbox_topic, UnixTime now, UnixTime until);
  void start(const ReplyTo& place, const SessionKeys& keys);

  // Null when there is none, or it is over.
  struct Found {
    Open* open = nullptr;
    ReplyTo to;  // without tail
  };
  Found find(Tag tag, UnixTime now);
  // Null when that session is gone.
  Open* find(const ReplyTo& to);
  const Open* find(const ReplyTo& to) const;
  // Marks it as used just now.
  void touch(Open& open);

  void close_of(const Principal& principal);
  void close_old(UnixTime now);
  std::size_t size() const { return open_; }

 private:
  void close(std::uint32_t slot);
  bool is_over(const Open& open, UnixTime now) const;
  // The one of `slots` that was used the longest ago, of those that `may_go`.
  template <class Range, class MayGo>
  std::uint32_t longest_unused(const Range& slots, MayGo may_go) const;
  void make_place(const Principal& principal);

  ResponderLimits limits_;
  RequestTable tags_;
  std::vector<std::unique_ptr<Open>> slots_;
  std::vector<std::uint32_t> free_;
  std::map<Principal, std::vector<std::uint32_t>> of_;
  std::uint64_t generations_ = 0;
  std::uint64_t uses_ = 0;
  std::size_t open_ = 0;
};

}  // namespace sallyport::sealed
