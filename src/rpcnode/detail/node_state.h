// What a node holds while it runs, shared by its calls.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "rpcnode/node.h"

namespace sallyport::rpcnode {

// Calls per minute of one key: as many at once as in a minute.
class CallRate {
 public:
  explicit CallRate(std::uint32_t per_minute) : per_minute_(per_minute), left_(per_minute) {}
  std::uint32_t per_minute() const { return per_minute_; }
  // Takes `count` calls; false where there are not as many. A batch above the whole rate never passes.
  bool take(std::size_t count, Instant now);

 private:
  std::uint32_t per_minute_;
  double left_;
  std::optional<Instant> last_;
};

// What one caller may do. Borrows the rules.
struct CallerRights {
  const AccessRules& rules;
  std::uint32_t calls_per_minute;
};
// Callers whose rate is remembered; one more forgets the others, whose rates begin anew.
inline constexpr std::size_t kMaxRates = 4'096;

struct Node::State : std::enable_shared_from_this<Node::State> {
  State(net::TaskGroup& group, const Clock& time, Random& source, sealed::NodeName own_name,
        sealed::TopicPrefix own_prefix, NodeFiles opened, Send sender)
      : tasks(group),
        clock(time),
        random(source),
        name(std::move(own_name)),
        files(std::move(opened)),
        send(std::move(sender)),
        bundle_topic(sealed::bundle_topic(own_prefix, name)),
        responder(name, std::move(own_prefix), random, clock.now()),
        started(clock.now()) {}

  NodeKeys& keys() { return files.keys; }
  // Tells the responder which secrets are good now, and which no longer.
  // Lets in with every secret that is good now; ends no session.
  void add_secrets();
  // The same, and a key of which a secret is good no more is forgotten first, with its sessions.
  void apply_keys();
  void carry_out(std::vector<sealed::ResponderAction> actions);
  // What the caller may do; nothing for a key that is gone or over and a certificate that no rule is for.
  std::optional<CallerRights> find_caller(const sealed::Principal& principal) const;
  // Of a certificate that was let in by pairing.
  std::optional<CallerRights> find_paired(std::string_view who) const;
  bool take_rate(const sealed::Principal& principal, const CallerRights& rights, std::size_t calls);
  void log_fault(const char* what, const Error& error);

  net::TaskGroup& tasks;
  const Clock& clock;
  Random& random;
  sealed::NodeName name;
  NodeFiles files;
  Send send;
  MethodTable methods;
  std::optional<Identity> identity;
  std::vector<CallerSettings> callers;
  std::string bundle_topic;
  sealed::Responder responder;
  UnixTime started;
  std::size_t running = 0;                                    // calls
  std::map<std::string, std::size_t, std::less<>> in_method;  // of each method
  std::map<std::string, CallRate, std::less<>> rates;         // by principal
  std::map<std::string, std::set<std::string>> applied;       // key id to marks of its secrets that the responder knows
  std::string last_fault;
};

inline constexpr std::string_view kKeyPrincipal = "key:";

}  // namespace sallyport::rpcnode
