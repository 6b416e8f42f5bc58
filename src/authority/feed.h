// What the authority pushes to the roles: snapshots, leases, grants, cuts, and events for people who watch.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "authority/leases.h"
#include "codec/json.h"
#include "net/rpc.h"
#include "net/timer.h"
#include "records/role_messages.h"
#include "records/snapshot.h"
#include "tunnel/grant.h"

namespace sallyport::authority {

class Core;

// One thread. Borrows the core for its lifetime.
class Feed {
 public:
  using SubscriberId = LeaseBook::SubscriberId;

  Feed(Core& core, net::Executor executor);

  // Takes a role's connection in: it gets the state it lacks, relays every live grant, then leases. Errc::unavailable
  // when the state cannot be built or signed.
  net::Task<Result<SubscriberId>> subscribe(std::shared_ptr<net::RpcPeer> peer, records::Subscribe request);
  // The connection of `subscriber` has ended. Returns what it had subscribed as.
  records::Subscribe unsubscribe(SubscriberId subscriber);
  // Returns the subscriber's new lease, encoded, or nothing when it must not have one.
  Bytes acknowledged(SubscriberId subscriber, std::uint64_t number);
  void grant_acknowledged(SubscriberId subscriber, ByteView grant_id);

  // Something was committed: everybody gets what changed. Several calls while one round is under way become one more
  // round.
  void changed();
  // Returns when change `number` is in force everywhere, or fails with Errc::unavailable after every lease must have
  // lapsed.
  net::Task<Result<void>> until_in_force(std::uint64_t number);
  // Returns when every subscriber that may admit sessions has change `number`: for what is new, not for what ended.
  net::Task<Result<void>> until_known(std::uint64_t number);

  void send_grant(ByteView sealed);
  void send_cut(const records::CutEvent& cut);
  // Returns when every relay worker that is connected knows the newest grant of `session`.
  net::Task<Result<void>> until_grant_is_known(tunnel::GrantId session, net::Deadline deadline);
  // Tells the consoles; they show it to people of `tenant` and of the whole installation.
  void announce(std::string_view event, std::string_view tenant, const codec::Json& data);

 private:
  struct Subscriber {
    std::shared_ptr<net::RpcPeer> peer;
    records::Subscribe what;
    std::uint64_t sent = 0;  // the number of the newest state sent
  };

  net::Task<void> publish_rounds();
  net::Task<Result<void>> publish_once();
  net::Task<Result<std::pair<std::uint64_t, Bytes>>> build_event(std::uint64_t base);
  void push(Subscriber& subscriber, records::RoleEvent event, ByteView fields);
  Instant now() const;

  Core& core_;
  net::Executor executor_;
  net::Event progress_;
  LeaseBook leases_;
  std::map<SubscriberId, Subscriber> subscribers_;
  SubscriberId next_id_ = 1;
  bool publishing_ = false;
  bool again_ = false;
};

}  // namespace sallyport::authority
