// One simulated device: an ordinary agent's folder, and the real agent while it is awake.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/agent.h"
#include "codec/json.h"
#include "memory_queue.h"

namespace sallyport::fleet {

// What all devices of the process work with; outlives them.
struct World {
  net::Executor executor;
  const Clock& clock;
  Random& random;
};

// What a device knows of itself, awake or as it was when it went to sleep.
struct Facts {
  bool awake = false;
  agent::Phase phase = agent::Phase::enrolling;
  agent::ControlState control = agent::ControlState::down;
  std::string name;
  std::string error;   // the reason of the last failure that still stands
  std::string serial;  // of the operational certificate
  std::string issuer;  // key id of the CA that issued it
  std::string root;    // SHA-256 of the newest trusted root's key
  std::string check;   // stable reason of the last check of a server that was refused, "good" when none was
  std::string state;   // as the gateway says
  std::uint64_t queued = 0;
};
codec::Json to_json(const SerialId& serial_id, const Facts& facts);

class Device {
 public:
  Device(World world, std::filesystem::path folder, SerialId serial_id)
      : world_(world), folder_(std::move(folder)), serial_id_(std::move(serial_id)) {}

  const SerialId& serial_id() const { return serial_id_; }
  bool is_awake() const { return awake_ != nullptr; }

  // What `sallyport-agent init` does; returns the CSR for the factory, PEM.
  Result<std::string> make(const agent::Settings& settings, const pki::Certificate& root);
  Result<void> install(std::string_view factory_certificate);
  // Opens the folder and starts the agent, with `samples` values to upload.
  Result<void> wake(std::size_t samples);
  // Stops the agent and closes the folder.
  net::Task<void> sleep();
  Facts facts() const;
  bool is_online() const;

 private:
  struct Awake {
    Awake(const World& world, agent::AgentState opened)
        : state(std::move(opened)),
          queue(world.random),
          agent(world.executor, world.clock, world.random, state, queue) {}
    agent::AgentState state;
    MemoryQueue queue;
    agent::Agent agent;
  };
  void look(Facts& facts) const;

  World world_;
  std::filesystem::path folder_;
  SerialId serial_id_;
  std::unique_ptr<Awake> awake_;
  Facts asleep_;
};

}  // namespace sallyport::fleet
