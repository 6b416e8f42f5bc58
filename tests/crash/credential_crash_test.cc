// A power cut at every step of a device's key changes (DESIGN §9): whatever its disk is left with, the device has a
// credential that the authority takes, or the key under which its first request is made again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "agent/credential_slots.h"
#include "authority/renewal.h"
#include "issuance.h"
#include "pki/csr.h"

namespace sallyport::crash {
namespace {

using agent::Credential;
using agent::CredentialSlots;
using integration::kSite;
using records::CertificateState;

constexpr std::size_t kDevice = 0;
const records::CaName kDeviceCa("online-ca");

// When each change of keys is. Before the last one the clock goes back, by less than certificates are dated back, and
// somebody vouches for it: the newest certificate ends before the one that it replaces.
constexpr std::array kTimes = {seconds(0), seconds(86'400), seconds(86'400 - 2'400)};

records::CertificateSerial serial_of(const Credential& credential) {
  return records::CertificateSerial(to_bytes(credential.leaf().serial().content()));
}

net::Task<Result<void>> supersede_task(authority::Core& core, records::CertificateSerial used) {
  co_return co_await authority::supersede_older(core, {kDeviceCa, std::move(used)});
}

// What the authority knew from a moment of the device's life on.
struct Knowledge {
  std::size_t position = 0;  // of the device's file operations
  UnixTime now;
  Image database;
};

class CredentialCrash : public ::testing::Test {
 protected:
  // The device's side of one change of keys, against the real authority. `on_step` hears of every step that others see.
  Result<Credential> change_keys(AuthorityRun& run, CredentialSlots& slots, const std::function<void()>& on_step) {
    TRY(const auto present, slots.load());
    TRY(auto key, slots.pending_key());
    Ask ask;
    ask.kind = present ? Ask::Kind::renew : Ask::Kind::enrol;
    ask.device = kDevice;
    ask.shown = to_bytes(present ? present->leaf().der() : issuance_.devices()[kDevice].factory_certificate->der());
    TRY(const auto subject, pki::DistinguishedName::of("device"));
    TRY(ask.csr, pki::build_csr(key, subject));
    TRY(const Bytes leaf, run.ask(ask));
    on_step();
    TRY(auto certificate, pki::parse_certificate(leaf));
    const std::vector<pki::Certificate> chain = {std::move(certificate)};
    TRY(auto stored, slots.store(chain));
    TRY_VOID(use(run, stored));
    on_step();
    return stored;
  }
  // The device shows it, the gateway tells the authority.
  Result<void> use(AuthorityRun& run, const Credential& credential) {
    auto& io = issuance_.installation().io();
    auto done = net::run(io, supersede_task(run.core(), serial_of(credential)));
    return done ? *std::move(done) : fail(Errc::internal, "interrupted");
  }

  void take_picture() {
    known_.push_back({.position = FileCalls::get().position(),
                      .now = issuance_.installation().clock().now(),
                      .database = read_image(issuance_.folder())});
  }

  void begin(AuthorityRun& run) { ASSERT_TRUE(run.import_ledger(issuance_.ledger(0, 1))); }

  void record() {
    write_image(issuance_.folder(), issuance_.base());
    SeededRandom random(1);
    auto run = AuthorityRun::open(issuance_.installation(), issuance_.database(), random);
    ASSERT_TRUE(run) << run.error().detail;
    begin(**run);
    FileCalls::get().watch(disk_.path());
    take_picture();
    for (std::size_t change = 0; change < kTimes.size(); ++change) {
      set_clock(**run, change);
      CredentialSlots slots(disk_.path(), "operational");
      const auto changed = change_keys(**run, slots, [&] { take_picture(); });
      ASSERT_TRUE(changed) << changed.error().detail;
      changed_.push_back(FileCalls::get().position());
    }
    operations_ = FileCalls::get().stop();
  }
  void turn_clock(UnixTime to) {
    ManualClock& clock = issuance_.installation().clock();
    clock.advance(to - clock.now());
  }
  void set_clock(AuthorityRun& run, std::size_t change) {
    turn_clock(integration::kNow + kTimes[change]);
    if (change != kTimes.size() - 1) return;
    const auto accepted = run.administer("clock.accept", codec::Json::Object{});
    ASSERT_TRUE(accepted) << accepted.error().detail;
  }

  // What the authority may know when the device's power goes after `point` operations: what it knew before them, and
  // whatever it learned between them and the next.
  std::vector<const Knowledge*> known_at(std::size_t point) const {
    std::vector<const Knowledge*> out;
    for (const Knowledge& each : known_) {
      if (each.position > point) break;
      if (each.position < point && !out.empty()) out.pop_back();
      out.push_back(&each);
    }
    return out;
  }

  // `comes_first`: the device shows what it loaded before it asks for another.
  std::string examine(const Image& left, std::size_t point, const Knowledge& known, bool comes_first);
  std::string check_credential(AuthorityRun& run, const Credential& credential);
  std::string check_alone(AuthorityRun& run, const Credential& credential);
  std::string check_files() const;

  Issuance issuance_;
  Scratch disk_;
  std::vector<Knowledge> known_;
  std::vector<std::size_t> changed_;  // positions at which a change of keys was over
  std::vector<Operation> operations_;
};

// The authority takes it for a request, now.
std::string CredentialCrash::check_credential(AuthorityRun& run, const Credential& credential) {
  std::optional<records::CertificateRecord> record;
  const auto found = run.database().read([&](records::Records& records) -> Result<void> {
    TRY(record, records.certificates().find(kDeviceCa, serial_of(credential)));
    return {};
  });
  if (!found) return found.error().detail;
  if (!record) return "the device holds a certificate that is in no record";
  if (record->state != CertificateState::issued) return "the device holds a certificate that was revoked";
  return {};
}

// It is the only one that the authority takes from the device.
std::string CredentialCrash::check_alone(AuthorityRun& run, const Credential& credential) {
  std::size_t issued = 0;
  std::string told;
  const auto counted = run.database().read([&](records::Records& records) -> Result<void> {
    TRY(const auto device, records.devices().find(kSite, issuance_.devices()[kDevice].serial_id));
    TRY(const auto all,
        records.certificates().list_by_subject(records::CertificateKind::operational, device->name->get()));
    for (const auto& each : all) {
      told += fmt::format("; {} is {} of key {:02x}", each.serial == serial_of(credential) ? "the device's" : "another",
                          std::to_underlying(each.state), each.spki_sha256[0]);
    }
    issued =
        static_cast<std::size_t>(std::ranges::count(all, CertificateState::issued, &records::CertificateRecord::state));
    return {};
  });
  if (!counted) return counted.error().detail;
  if (issued != 1) return fmt::format("{} certificates are good after a change of keys, want 1{}", issued, told);
  return check_credential(run, credential);
}

// One key is there; what a write that was cut off left is AgentState's to remove.
std::string CredentialCrash::check_files() const {
  const Image now = read_image(disk_.path());
  const auto keys = std::ranges::count_if(
      now, [](const auto& file) { return file.first.starts_with("operational.") && file.first.ends_with(".key"); });
  return keys == 1 ? std::string() : fmt::format("{} keys are there after a change of keys, want 1", keys);
}

std::string CredentialCrash::examine(const Image& left, std::size_t point, const Knowledge& known, bool comes_first) {
  write_image(disk_.path(), left);
  write_image(issuance_.folder(), known.database);
  turn_clock(known.now);
  SeededRandom random(point);
  auto run = AuthorityRun::open(issuance_.installation(), issuance_.database(), random);
  if (!run) return "authority: " + run.error().detail;
  CredentialSlots slots(disk_.path(), "operational");
  const auto loaded = slots.load();
  if (!loaded) return "does not load: " + loaded.error().detail;
  if (!*loaded && point >= changed_.front()) return "the credential is gone";
  if (*loaded) {
    if (std::string wrong = check_credential(**run, **loaded); !wrong.empty()) return wrong;
    if (comes_first && !use(**run, **loaded)) return "the authority does not hear of it";
  }
  // It goes on, to the end, and once more.
  for (int round = 0; round < 2; ++round) {
    const auto changed = change_keys(**run, slots, [] {});
    if (!changed) return fmt::format("change {} after the power cut is refused: {}", round, changed.error().detail);
    if (std::string wrong = check_alone(**run, *changed); !wrong.empty())
      return fmt::format("change {}: {}", round, wrong);
    CredentialSlots again(disk_.path(), "operational");
    const auto kept = again.load();
    if (!kept || !*kept || !((*kept)->leaf() == changed->leaf())) return "another credential is loaded than was stored";
  }
  return check_files();
}

TEST_F(CredentialCrash, LeavesADeviceThatItsAuthorityTakesWhateverOfItsDiskSurvived) {
  record();
  ASSERT_FALSE(HasFailure());
  Disk disk({});
  std::size_t images = 0;
  std::size_t examined = 0;
  std::vector<std::string> broken;
  for (std::size_t point = 0; point <= operations_.size() && broken.size() < 5; ++point) {
    if (point > 0) disk.apply(operations_[point - 1]);
    const auto known = known_at(point);
    ASSERT_FALSE(known.empty());
    disk.each_crash([&](const Image& left) {
      ++images;
      for (const Knowledge* each : known) {
        for (const bool comes_first : {false, true}) {
          ++examined;
          if (std::string wrong = examine(left, point, *each, comes_first); !wrong.empty())
            broken.push_back(fmt::format("after operation {} of {}, authority of {}, {}: {}", point, operations_.size(),
                                         each->position, comes_first ? "comes first" : "asks first", wrong));
        }
      }
    });
  }
  std::printf("credential: %zu crash points, %zu states of the disk, %zu with the authority's\n",
              operations_.size() + 1, images, examined);
  for (const std::string& each : broken) ADD_FAILURE() << each;
  EXPECT_GE(images, operations_.size());
}

// D1, D3: a disk that is full or broken, at every write and every sync.
TEST_F(CredentialCrash, KeepsACredentialWhenTheDiskFailsAtAnyStep) {
  for (const auto& [call, error] : {std::pair(Call::write, ENOSPC), std::pair(Call::sync, EIO)}) {
    for (std::uint64_t number = 1;; ++number) {
      write_image(issuance_.folder(), issuance_.base());
      write_image(disk_.path(), {});
      turn_clock(integration::kNow);
      SeededRandom random(number);
      auto run = AuthorityRun::open(issuance_.installation(), issuance_.database(), random);
      ASSERT_TRUE(run) << run.error().detail;
      begin(**run);
      CredentialSlots slots(disk_.path(), "operational");
      const auto first = change_keys(**run, slots, [] {});
      ASSERT_TRUE(first) << first.error().detail;
      FileCalls::get().watch(disk_.path());
      FileCalls::get().order({.call = call, .first = number, .error = error});
      const auto failed = change_keys(**run, slots, [] {});
      const bool has_struck = FileCalls::get().has_struck();
      FileCalls::get().stop();
      if (!has_struck) {
        EXPECT_GT(number, 3U) << "a change of keys writes more than that";
        break;
      }
      SCOPED_TRACE(fmt::format("call {} of kind {}", number, static_cast<int>(call)));
      EXPECT_FALSE(failed);
      CredentialSlots later(disk_.path(), "operational");
      const auto kept = later.load();
      ASSERT_TRUE(kept && *kept);
      EXPECT_EQ(check_credential(**run, **kept), "");
      const auto done = change_keys(**run, later, [] {});
      ASSERT_TRUE(done) << done.error().detail;
      EXPECT_EQ(check_alone(**run, *done), "");
    }
  }
}

}  // namespace
}  // namespace sallyport::crash
