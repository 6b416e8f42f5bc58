#include "pki/detail/policy_graph.h"

#include <algorithm>
#include <map>
#include <set>

#include "pki/detail/more_oids.h"

namespace sallyport::pki::detail {
namespace {

// A valid policy at one depth. It is reached from a node of the depth above when that expects it, or when that is
// anyPolicy (RFC 9618 §5.2).
struct Node {
  Oid policy;
  std::vector<Oid> parents;  // policies of the nodes above that expect it; empty: above is anyPolicy alone
  std::set<Oid> expected;    // expected_policy_set
  bool is_mapped = false;
};

// The nodes of one depth. `has_any` is the node anyPolicy, which expects itself.
struct Level {
  std::map<Oid, Node> nodes;
  bool has_any = false;
  bool is_empty() const { return nodes.empty() && !has_any; }
};

class PolicyWalk {
 public:
  PolicyWalk(std::span<const Certificate> path, const PolicyRules& rules) : path_(path), rules_(rules) {
    const std::size_t whole = path.size();  // n + 1 of §6.1.2, the anchor not counted
    explicit_policy_ = rules.explicit_required ? 0 : whole;
    inhibit_any_ = rules.inhibit_any ? 0 : whole;
    mapping_ = rules.inhibit_mapping ? 0 : whole;
    levels_.push_back({.nodes = {}, .has_any = true});
  }

  Verdict<void> run() {
    for (std::size_t i = path_.size() - 1; i-- > 0;) {
      const Certificate& certificate = path_[i];
      const bool is_last = i == 0;
      const bool is_self_issued = certificate.subject().matches(certificate.issuer());
      add_level(certificate, is_self_issued && !is_last);
      if (explicit_policy_ == 0 && levels_.back().is_empty()) return refused();  // §6.1.3 (f)
      if (!is_last) prepare_for_next(certificate, is_self_issued);
    }
    wrap_up(path_.front().extensions());
    if (explicit_policy_ == 0 && !is_any_accepted()) return refused();
    return {};
  }

 private:
  static Verdict<void> refused() {
    return refuse(Reason::no_valid_policy, "chain: a policy is required and none of those accepted is valid along it");
  }

  // §6.1.3 (d) and (e), in the words of RFC 9618 §5.3.
  void add_level(const Certificate& certificate, bool any_counts_in_any_case) {
    const std::vector<Oid>& policies = certificate.extensions().policies;
    const Level& above = levels_.back();
    Level next;
    if (above.is_empty() || policies.empty()) {
      levels_.push_back(std::move(next));
      return;
    }
    for (const Oid& policy : policies) {
      if (policy != oid::any_policy) add_node(above, policy, next);
    }
    const bool has_any = std::ranges::find(policies, oid::any_policy) != policies.end();
    if (has_any && (inhibit_any_ > 0 || any_counts_in_any_case)) {
      for (const auto& [policy, node] : above.nodes) {
        for (const Oid& expected : node.expected) add_parent(next, expected, policy);
      }
      next.has_any = above.has_any;
    }
    levels_.push_back(std::move(next));
  }

  static void add_parent(Level& level, const Oid& policy, const Oid& parent) {
    auto [found, is_new] = level.nodes.try_emplace(policy, Node{.policy = policy, .parents = {}, .expected = {policy}});
    // A node that was made because anyPolicy is above hangs from that alone, and needs no other.
    if (!is_new && found->second.parents.empty()) return;
    auto& parents = found->second.parents;
    if (std::ranges::find(parents, parent) == parents.end()) parents.push_back(parent);
  }

  static void add_node(const Level& above, const Oid& policy, Level& next) {
    bool is_expected = false;
    for (const auto& [parent, node] : above.nodes) {
      if (!node.expected.contains(policy)) continue;
      add_parent(next, policy, parent);
      is_expected = true;
    }
    if (!is_expected && above.has_any)
      next.nodes.try_emplace(policy, Node{.policy = policy, .parents = {}, .expected = {policy}});
  }

  // §6.1.4 (b), and the counters of (h) to (j).
  void prepare_for_next(const Certificate& certificate, bool is_self_issued) {
    const Extensions& extensions = certificate.extensions();
    apply_mappings(extensions);
    if (!is_self_issued) {
      for (std::size_t* counter : {&explicit_policy_, &mapping_, &inhibit_any_}) *counter -= *counter > 0 ? 1 : 0;
    }
    if (extensions.policy_constraints) {
      const PolicyConstraints& constraints = *extensions.policy_constraints;
      if (constraints.require_explicit)
        explicit_policy_ = std::min<std::size_t>(explicit_policy_, *constraints.require_explicit);
      if (constraints.inhibit_mapping) mapping_ = std::min<std::size_t>(mapping_, *constraints.inhibit_mapping);
    }
    if (extensions.inhibit_any_policy)
      inhibit_any_ = std::min<std::size_t>(inhibit_any_, *extensions.inhibit_any_policy);
  }

  void apply_mappings(const Extensions& extensions) {
    Level& level = levels_.back();
    std::map<Oid, std::set<Oid>> mappings;
    for (const PolicyMapping& mapping : extensions.policy_mappings)
      mappings[mapping.issuer_domain].insert(mapping.subject_domain);
    for (const auto& [policy, mapped] : mappings) {
      if (mapping_ == 0) {
        level.nodes.erase(policy);
        continue;
      }
      auto found = level.nodes.find(policy);
      if (found == level.nodes.end()) {
        if (!level.has_any) continue;
        found = level.nodes.try_emplace(policy, Node{.policy = policy, .parents = {}, .expected = {}}).first;
      }
      found->second.expected = mapped;
      found->second.is_mapped = true;
    }
  }

  // §6.1.5 (a) and (b).
  void wrap_up(const Extensions& leaf) {
    if (explicit_policy_ > 0) --explicit_policy_;
    if (leaf.policy_constraints && leaf.policy_constraints->require_explicit == 0U) explicit_policy_ = 0;
  }

  // §6.1.5 (g): whether the authority-constrained policy set and the user's have a member in common (RFC 9618 §5.5).
  bool is_any_accepted() const {
    const Level& last = levels_.back();
    if (last.is_empty()) return false;
    const auto& accepted = rules_.accepted;
    if (accepted.empty() || std::ranges::find(accepted, oid::any_policy) != accepted.end()) return true;
    if (last.has_any) return true;
    // Upwards from the last level: a policy of the domain of the anchor is one that hangs from anyPolicy.
    std::set<Oid> wanted;
    for (const auto& [policy, node] : last.nodes) wanted.insert(policy);
    for (std::size_t depth = levels_.size() - 1; depth > 0; --depth) {
      std::set<Oid> above;
      for (const Oid& policy : wanted) {
        const auto found = levels_[depth].nodes.find(policy);
        if (found == levels_[depth].nodes.end()) continue;
        if (found->second.parents.empty() && std::ranges::find(accepted, policy) != accepted.end()) return true;
        above.insert(found->second.parents.begin(), found->second.parents.end());
      }
      wanted = std::move(above);
    }
    return false;
  }

  std::span<const Certificate> path_;
  const PolicyRules& rules_;
  std::vector<Level> levels_;
  std::size_t explicit_policy_ = 0;
  std::size_t inhibit_any_ = 0;
  std::size_t mapping_ = 0;
};

}  // namespace

Verdict<void> check_policies(std::span<const Certificate> path, const PolicyRules& rules) {
  // explicit_policy begins above the number of certificates, so that nothing is refused unless somebody lowers it.
  const bool is_required = std::ranges::any_of(path.first(path.size() - 1), [](const Certificate& certificate) {
    const auto& constraints = certificate.extensions().policy_constraints;
    return constraints && constraints->require_explicit;
  });
  if (!rules.explicit_required && !is_required) return {};
  return PolicyWalk(path, rules).run();
}

}  // namespace sallyport::pki::detail
