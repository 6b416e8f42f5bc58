// A factory certificate that another key enrolled with came back: two hold its key.
#pragma once

#include <string>

#include "authority/core.h"
#include "net/task.h"

namespace sallyport::authority {

struct CloneSighting {
  SiteName site;
  SerialId serial_id;
  records::Digest key{};  // the key that was asked for
  std::string source;     // from where
};

// Counts it, says so, and suspends the device if its owner wished for that. Whoever copied a factory key can repeat
// this as often as he likes, so it is recorded a few times an hour alone; by default it stops nothing.
net::Task<void> raise_clone_alarm(Core& core, CloneSighting seen);

}  // namespace sallyport::authority
