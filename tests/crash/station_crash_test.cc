// Crashes at every point of a factory station's issuing (promise P4): what was handed out is in the ledger, the chain
// has no gap, and no number is given twice.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "explore.h"
#include "factory/detail/test_site.h"
#include "factory/station.h"
#include "file_calls.h"
#include "keystore/file.h"

namespace sallyport::crash {
namespace {

using factory::kTestNow;
using factory::Station;
using factory::TestSite;

constexpr std::size_t kIssuedAtFirst = 40;
constexpr std::size_t kIssuedLater = 20;
constexpr std::uint64_t kFirstPermit = 43;
constexpr std::uint64_t kSecondPermit = 100;

struct Order {
  std::string serial_id;
  Bytes csr;
  std::size_t begun = 0;
  std::size_t answered = 0;
  std::optional<factory::Issued> issued;
};

struct Commissioned {
  std::size_t answered = 0;
  std::uint64_t permit = 0;
};

struct Exported {
  std::size_t answered = 0;
  std::vector<pki::LedgerEntry> entries;
};

class StationCrash : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto state = *keystore::StateFolder::open_or_create(path(), factory::kFactoryFormat);
    const auto made = factory::initialise_station(state, {.site = SiteName("acme"), .zone = site_.zone}, site_.random);
    ASSERT_TRUE(made) << made.error().detail;
    const auto secret = *keystore::MachineSecret::open(path() / "secret");
    auto key = *secret.read_key(path() / "ca.key");
    site_.ca = site_.site_ca(key.public_key(), site_.name_space.get());
  }

  std::filesystem::path path() const { return scratch_.path() / "station"; }
  Result<Station> open() {
    TRY(auto folder, keystore::StateFolder::open(path(), factory::kFactoryFormat));
    return Station::open(std::move(folder), clock_, site_.random);
  }
  factory::Commissioning papers(std::uint64_t number) {
    const auto permit = site_.permit(number, number == 1 ? kFirstPermit : kSecondPermit);
    return {.permit = site_.seal(permit), .ca_pem = TestSite::pem(site_.ca), .root_pem = TestSite::pem(site_.root)};
  }
  static Bytes make_csr(const std::string& serial_id) {
    auto key = crypto::PrivateKey::generate();
    return *pki::build_csr(key, *pki::DistinguishedName::of(serial_id));
  }

  void set_up_commissioned() {
    auto station = open();
    ASSERT_TRUE(station) << station.error().detail;
    ASSERT_TRUE(station->commission(papers(1)));
  }

  void commission(Station& station, std::uint64_t number) {
    const auto permit = station.commission(papers(number));
    ASSERT_TRUE(permit) << permit.error().detail;
    commissioned_.push_back({FileCalls::get().position(), number});
  }
  void issue(Station& station, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::string id = "m-" + std::to_string(orders_.size() + 1);
      Order order{.serial_id = id, .csr = make_csr(id), .begun = FileCalls::get().position(), .issued = std::nullopt};
      auto issued = station.issue(*pki::parse_csr(order.csr), std::nullopt);
      ASSERT_TRUE(issued) << issued.error().detail;
      order.answered = FileCalls::get().position();
      order.issued = *std::move(issued);
      orders_.push_back(std::move(order));
    }
  }
  void export_all(Station& station) {
    auto exported = station.export_ledger(0);
    ASSERT_TRUE(exported) << exported.error().detail;
    exports_.push_back({FileCalls::get().position(), exported->entries});
  }

  void record() {
    recording_.base = read_image(scratch_.path());
    FileCalls::get().watch(scratch_.path());
    {
      auto station = open();
      ASSERT_TRUE(station) << station.error().detail;
      commission(*station, 1);
      issue(*station, kIssuedAtFirst);
      export_all(*station);
    }
    auto station = open();
    ASSERT_TRUE(station) << station.error().detail;
    commission(*station, 2);
    issue(*station, kIssuedLater);
    export_all(*station);
    recording_.operations = FileCalls::get().stop();
    for (const Order& order : orders_) recording_.promises.push_back(order.answered);
    for (const auto& each : commissioned_) recording_.promises.push_back(each.answered);
    for (const auto& each : exports_) recording_.promises.push_back(each.answered);
    std::ranges::sort(recording_.promises);
  }

  // How many operations had been done when the certificate was signed at the latest: the write of its record follows.
  std::size_t signed_at(const Order& order) const {
    const ByteView certificate = order.issued->certificate;
    for (std::size_t i = order.begun; i < order.answered; ++i) {
      const auto& operation = recording_.operations[i];
      if (std::ranges::search(operation.data, certificate).begin() != operation.data.end()) return i;
    }
    ADD_FAILURE() << "no operation writes the certificate of " << order.serial_id;
    return order.answered;
  }

  std::string examine(const Image& left, std::size_t point);
  std::string check_ledger(const Station& station, std::size_t point) const;
  std::string check_serials(const Image& left, std::size_t point) const;
  std::string check_next(Station& station, std::size_t point);

  Scratch scratch_;
  TestSite site_;
  ManualClock clock_{kTestNow};
  Recording recording_;
  std::vector<Order> orders_;
  std::vector<Commissioned> commissioned_;
  std::vector<Exported> exports_;
};

std::string StationCrash::check_ledger(const Station& station, std::size_t point) const {
  for (const Order& order : orders_) {
    if (order.answered > point) continue;
    const auto* found = station.ledger().find(SerialId(order.serial_id));
    if (found == nullptr || !(*found == *order.issued))
      return order.serial_id + " was handed out and is not in the ledger";
  }
  for (const Exported& each : exports_) {
    if (each.answered > point) continue;
    const auto& all = station.ledger().issued();
    const bool is_prefix = all.size() >= each.entries.size() &&
                           std::ranges::equal(each.entries, std::span(all).first(each.entries.size()), {}, {},
                                              [](const factory::Issued& issued) { return issued.entry; });
    if (!is_prefix) return "the ledger does not begin with what was exported";
  }
  for (const Commissioned& each : commissioned_) {
    const auto permit = station.status().permit;
    if (each.answered <= point && (!permit || permit->number < each.permit)) return "an installed permit is gone";
  }
  const auto permit = station.status().permit;
  if (permit && station.ledger().head().sequence > permit->count) return "more was issued than permitted";
  return {};
}

// Every certificate that was signed has left its serial, so that it is never taken again.
std::string StationCrash::check_serials(const Image& left, std::size_t point) const {
  const auto file = left.find("station/ledger.bin");
  const auto parsed = factory::parse_ledger_file(file == left.end() ? ByteView() : ByteView(file->second));
  if (!parsed) return parsed.error().detail;
  for (const Order& order : orders_) {
    if (signed_at(order) > point) continue;
    const bool is_known = std::ranges::any_of(parsed->records, [&](const factory::LedgerRecord& record) {
      const auto* intent = std::get_if<factory::Intent>(&record);
      return intent != nullptr && intent->serial == order.issued->entry.certificate_serial;
    });
    if (!is_known) return order.serial_id + " was signed and its serial is nowhere";
  }
  return {};
}

// The station goes on: what was under way is finished, what was done is told again, and numbers follow on each other.
std::string StationCrash::check_next(Station& station, std::size_t point) {
  if (!station.status().permit) {
    const auto permit = station.commission(papers(1));
    if (!permit) return "cannot be commissioned again: " + permit.error().detail;
  }
  for (const Order& order : orders_) {
    const bool is_last_answered =
        order.answered <= point && (&order == &orders_.back() || (&order)[1].answered > point);
    const bool is_under_way = order.begun <= point && order.answered > point;
    if (!is_last_answered && !is_under_way) continue;
    const std::uint64_t before = station.ledger().head().sequence;
    const bool is_there = station.ledger().find(SerialId(order.serial_id)) != nullptr;
    const auto issued = station.issue(*pki::parse_csr(order.csr), std::nullopt);
    if (!issued) return "a retry is refused: " + issued.error().detail;
    if (is_last_answered && !(*issued == *order.issued)) return "a retry gets another certificate";
    if (station.ledger().head().sequence != before + (is_there ? 0U : 1U)) return "a retry takes another number";
  }
  const pki::LedgerHead head = station.ledger().head();
  if (head.sequence >= station.status().permit->count) return {};
  const auto next = station.issue(*pki::parse_csr(make_csr("m-next")), std::nullopt);
  if (!next) return "issues no more: " + next.error().detail;
  const bool continues = next->entry.sequence == head.sequence + 1 && next->entry.previous == head.hash;
  return continues ? std::string() : "the next number does not follow";
}

std::string StationCrash::examine(const Image& left, std::size_t point) {
  write_image(scratch_.path(), left);
  if (std::string wrong = check_serials(left, point); !wrong.empty()) return wrong;
  {
    auto station = open();
    if (!station) return "does not open: " + station.error().detail;
    if (std::string wrong = check_ledger(*station, point); !wrong.empty()) return wrong;
    if (std::string wrong = check_next(*station, point); !wrong.empty()) return wrong;
  }
  const auto again = open();
  return again ? std::string() : "does not open again: " + again.error().detail;
}

TEST_F(StationCrash, LosesNothingHandedOutAndRepeatsNoNumber) {
  record();
  ASSERT_FALSE(HasFailure());
  const std::size_t wanted = wanted_states(2'000, 20'000);
  const Explored explored =
      explore(recording_, wanted, 20'261'121,
              [&](const Image& left, std::size_t point, std::uint64_t) { return examine(left, point); });
  std::printf("station: %zu crash points, %zu different states, %zu openings\n", explored.points, explored.states,
              explored.openings);
  for (const std::string& broken : explored.broken) ADD_FAILURE() << broken;
  EXPECT_GE(explored.states, wanted);
}

TEST_F(StationCrash, D3ASyncThatFailsEndsIssuingUntilTheNextStart) {
  set_up_commissioned();
  const Image ready = read_image(scratch_.path());
  for (std::uint64_t number = 1; number <= 2; ++number) {  // of the intent, of the result
    write_image(scratch_.path(), ready);
    FileCalls::get().watch(scratch_.path());
    const Bytes csr = make_csr("m-1");
    {
      auto station = open();
      ASSERT_TRUE(station) << station.error().detail;
      FileCalls::get().order({.call = Call::sync, .first = number, .error = EIO});
      ASSERT_FALSE(station->issue(*pki::parse_csr(csr), std::nullopt));
      ASSERT_TRUE(FileCalls::get().has_struck());
      const std::uint64_t tries = FileCalls::get().count(Call::sync);
      const auto other = station->issue(*pki::parse_csr(make_csr("m-2")), std::nullopt);
      ASSERT_FALSE(other);
      EXPECT_EQ(other.error().code, Errc::unavailable) << other.error().detail;
      EXPECT_EQ(FileCalls::get().count(Call::sync), tries) << "a sync that failed must not be tried again";
    }
    FileCalls::get().heal();
    orders_.clear();
    {
      auto station = open();
      ASSERT_TRUE(station) << station.error().detail;
      auto issued = station->issue(*pki::parse_csr(csr), std::nullopt);
      ASSERT_TRUE(issued) << issued.error().detail;
      orders_.push_back({.serial_id = "m-1", .csr = csr, .issued = *std::move(issued)});
      issue(*station, 3);
    }
    Disk disk(ready);
    for (const Operation& operation : FileCalls::get().stop()) disk.apply(operation);
    for (std::uint8_t survival = 0; survival < kSurvivals; ++survival) {
      SeededRandom random(number);
      write_image(scratch_.path(), disk.crash(static_cast<Survival>(survival), random));
      const auto station = open();
      ASSERT_TRUE(station) << station.error().detail;
      EXPECT_EQ(check_ledger(*station, ~std::size_t{0}), "") << "sync " << number << ", survival " << int{survival};
    }
  }
}

}  // namespace
}  // namespace sallyport::crash
