// A relay of one or more workers with its authority, in one loop. For this layer's tests alone.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include "relay/detail/test_peers.h"
#include "relay/route.h"

namespace sallyport::relay::testing {

class RelayTest : public ::testing::Test {
 public:
  RelayTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "relay-test-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    net::ignore_sigpipe();
    authority_ = std::make_unique<FakeAuthority>(io_.executor(), tree_, folder_ + "/authority.sock");
  }
  ~RelayTest() override { std::filesystem::remove_all(folder_); }

  Settings settings(std::uint16_t slot, std::uint16_t workers) const {
    return {.zone = kZone,
            .console_name = kConsole,
            .slot = tunnel::WorkerSlot(slot),
            .workers = workers,
            .public_port = 8443,
            .run_folder = folder_,
            .root = tree_.root,
            .pipes = 8};
  }
  std::uint16_t start_worker(Settings chosen) {
    Listeners listeners;
    auto open = net::Listener::tcp(io_.executor(), loopback(0));
    EXPECT_TRUE(open) << open.error().detail;
    const std::uint16_t port = (*open)->address().port;
    listeners.public_tls = copy_of(**open);
    auto peers = net::Listener::unix_socket(io_.executor(), worker_socket(chosen, chosen.slot));
    EXPECT_TRUE(peers) << peers.error().detail;
    listeners.peers = copy_of(**peers);
    auto succession = net::Listener::unix_socket(io_.executor(), succession_socket(chosen));
    EXPECT_TRUE(succession) << succession.error().detail;
    listeners.succession = copy_of(**succession);
    if (shared_keys_.is_open()) {
      listeners.resumption = net::Descriptor(::fcntl(shared_keys_.get(), F_DUPFD_CLOEXEC, 0));
    }
    listeners_.push_back(*std::move(open));
    listeners_.push_back(*std::move(peers));
    listeners_.push_back(*std::move(succession));
    start_worker(std::move(chosen), std::move(listeners));
    return port;
  }
  // Another process for the slot of the worker that was started last, on the same sockets.
  void start_successor(Settings chosen) {
    chosen.succeeds = true;
    const std::size_t first = listeners_.size() - 3;
    start_worker(std::move(chosen), {.public_tls = copy_of(*listeners_.at(first)),
                                     .public_http = {},
                                     .peers = copy_of(*listeners_.at(first + 1)),
                                     .succession = copy_of(*listeners_.at(first + 2)),
                                     .resumption = {}});
  }
  void start_worker(Settings chosen, Listeners listeners) {
    workers_.push_back(
        std::make_unique<Worker>(io_.executor(), clock_, random_, std::move(chosen), std::move(listeners)));
    workers_.back()->start();
  }
  std::uint16_t start_worker() { return start_worker(settings(0, 1)); }
  Worker& worker(std::size_t index = 0) { return *workers_.at(index); }

  // A claimed device that is in the issuance record.
  std::unique_ptr<FakeAgent> make_device(std::uint8_t boot = 1) { return make_device(draw_device_name(random_), boot); }
  std::unique_ptr<FakeAgent> make_device(DeviceName name, std::uint8_t boot) {
    auto agent = std::make_unique<FakeAgent>(io_.executor(), clock_, tree_, name, boot);
    authority_->set_device(name, records::DeviceState::claimed);
    authority_->set_certificate(agent->operational.certificate, name);
    return agent;
  }
  tunnel::AccessGrant make_grant(const DeviceName& device) {
    return {.id = tunnel::draw_grant_id(random_),
            .user_id = "alice",
            .user_display = "Alice",
            .device = device,
            .service = ServiceName("web"),
            .label = draw_grant_label(random_),
            .console_origin = "https://console.example",
            .issued = clock_.now(),
            .expires = clock_.now() + seconds(300),
            .session_end = clock_.now() + seconds(3'600)};
  }
  static std::string host_of(const tunnel::AccessGrant& grant) { return tunnel::grant_host(grant, kZone).get(); }

  // Both are up: the worker has state, lease and certificate; the device is admitted.
  net::Task<bool> worker_ready(std::size_t index = 0) {
    const Worker* one = workers_.at(index).get();
    return until_ready(*one);
  }
  static net::Task<bool> until_ready(const Worker& worker) {
    const net::Deadline deadline(kPatience);
    while (!(worker.counts().has_lease && worker.counts().has_certificate) && !deadline.passed()) {
      co_await net::sleep_for(milliseconds(1));
    }
    co_return worker.counts().has_lease&& worker.counts().has_certificate;
  }
  static net::Task<bool> online(FakeAgent& agent, std::uint16_t port) {
    agent.start(port);
    const net::Deadline deadline(kPatience);
    while (!agent.accepted && !agent.over && !deadline.passed()) co_await net::sleep_for(milliseconds(1));
    EXPECT_TRUE(agent.accepted) << agent.error;
    co_return agent.accepted;
  }
  net::Task<bool> granted(tunnel::AccessGrant grant) {
    authority_->send_grant(grant);
    const Bytes id = to_bytes(grant.id.get());
    const FakeAuthority* authority = authority_.get();
    return knows(*authority, id, workers_.size());
  }
  static net::Task<bool> knows(const FakeAuthority& authority, Bytes id, std::size_t workers) {
    const net::Deadline deadline(kPatience);
    const auto count = [&] { return std::ranges::count(authority.acknowledged_grants, id); };
    while (static_cast<std::size_t>(count()) < workers && !deadline.passed()) {
      co_await net::sleep_for(milliseconds(1));
    }
    EXPECT_GE(static_cast<std::size_t>(count()), workers);
    co_return static_cast<std::size_t>(count()) >= workers;
  }

  // A claimed device, one worker, and what happens to them.
  template <class Fixture>
  void play(net::Task<void> (*story)(Fixture&, FakeAgent&, std::uint16_t), Settings chosen) {
    const auto agent = make_device();
    const auto port = start_worker(std::move(chosen));
    run(story(static_cast<Fixture&>(*this), *agent, port));
  }

  // Runs a test's story to its end on the loop.
  void run(net::Task<void> story) { net::run(io_, std::move(story)); }

  net::Io io_;
  ManualClock clock_{kNow};
  crypto::SystemRandom random_;
  Tree tree_;
  std::string folder_;
  std::unique_ptr<FakeAuthority> authority_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::vector<std::unique_ptr<Worker>> workers_;
  net::Descriptor shared_keys_;  // make_resumption_memory(), where workers share

 private:
  static net::Descriptor copy_of(const net::Listener& listener) {
    return net::Descriptor(::fcntl(listener.native(), F_DUPFD_CLOEXEC, 0));
  }
};

}  // namespace sallyport::relay::testing
