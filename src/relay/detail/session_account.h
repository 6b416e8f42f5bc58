// What one access session has carried, for the authority. Pure; state of Visits.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/names.h"
#include "records/role_messages.h"
#include "relay/detail/passage.h"
#include "tunnel/grant.h"
#include "tunnel/rendezvous.h"

namespace sallyport::relay {

struct SessionAccount {
  tunnel::GrantId session;
  DeviceName device;
  std::string source;
  std::uint32_t connections = 0;
  std::uint64_t ended_to_device = 0;  // of passages that are over
  std::uint64_t ended_to_user = 0;
  std::map<tunnel::UserId, std::shared_ptr<Passage>> live;
  std::set<tunnel::UserId> waiting;
  bool changed = true;
  std::uint64_t told_bytes = 0;
  Instant told_at{};

  records::AccessSessionReport report() const {
    records::AccessSessionReport out{.grant_id = to_bytes(session.get()),
                                     .ended = false,
                                     .source = source,
                                     .reason = {},
                                     .bytes_to_device = ended_to_device,
                                     .bytes_to_user = ended_to_user,
                                     .connections = connections};
    for (const auto& [id, passage] : live) {
      out.bytes_to_device += passage->to_device();
      out.bytes_to_user += passage->to_user();
    }
    return out;
  }
};

}  // namespace sallyport::relay
