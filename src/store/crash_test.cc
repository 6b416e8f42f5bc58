// kill -9 at a random moment: what was acknowledged is there, and what is there is whole (docs/threat-model.md, P6).
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/random.h"
#include "store/detail/test_folder.h"
#include "store/record_database.h"
#include "store/telemetry_queue.h"

namespace sallyport::store {
namespace {

constexpr int kRounds = 20;

// Runs `write` in a child that tells the number of each write once it is durable, kills the child after
// `acknowledgements` of them (and whatever is under way), and returns the last number told.
std::uint64_t kill_while_writing(std::uint64_t acknowledgements, const std::function<void(int told)>& write) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    write(ends[1]);
    ::_exit(1);
  }
  ::close(ends[1]);
  std::uint64_t last = 0;
  std::uint64_t number = 0;
  const auto read_one = [&] { return ::read(ends[0], &number, sizeof number) == sizeof number; };
  while (acknowledgements > 0 && read_one()) {
    last = number;
    --acknowledgements;
  }
  EXPECT_EQ(acknowledgements, 0U) << "the child ended by itself";
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  while (read_one()) last = number;
  ::close(ends[0]);
  return last;
}

void tell(int descriptor, std::uint64_t number) {
  if (::write(descriptor, &number, sizeof number) != sizeof number) ::_exit(2);
}

TEST(Crash, LosesNoAcknowledgedSample) {
  const TestFolder folder;
  const auto path = folder.file("queue.db");
  const telemetry::StreamName stream("default");
  SeededRandom random(1);
  std::uint64_t present = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto told = kill_while_writing(1 + random.below(40), [&](int descriptor) {
      auto queue = open_telemetry_queue(path, {}, random);
      if (!queue) ::_exit(3);
      for (std::uint64_t number = present + 1;; ++number) {
        const telemetry::Sample sample{.time = {}, .topic = "", .payload = to_bytes(std::to_string(number))};
        const auto appended = [=](Result<void> done) { done ? tell(descriptor, number) : ::_exit(4); };
        (*queue)->append(stream, {sample}, appended);
        // Several are under way at once, so that the kill falls into groups of all sizes.
        if (number % 7 == 0 && !(*queue)->remove_through_and_wait({})) ::_exit(5);
      }
    });
    auto queue = open_telemetry_queue(path, {}, random);
    ASSERT_TRUE(queue) << queue.error().detail;
    const auto state = (*queue)->state().value();
    EXPECT_GE(state.items, told) << "round " << round;
    EXPECT_EQ(state.dropped, 0U);
    telemetry::BatchLimits all;
    std::uint64_t counted = 0;
    const auto batch = (*queue)->peek(all).value();
    ASSERT_TRUE(batch);
    for (const auto& item : batch->items) EXPECT_EQ(item.sequence, ++counted);
    EXPECT_EQ(counted, std::min<std::uint64_t>(state.items, telemetry::kMaxBatchItems));
    present = state.items;
  }
}

TEST(Crash, LosesNoRecordedCertificateAndKeepsNoHalfOfAWork) {
  const TestFolder folder;
  const auto path = folder.file("records.db");
  const records::CaName ca("online-ca");
  const auto serial_of = [](std::uint64_t number) {
    Writer writer;
    writer.u8(1).u64(number);
    return records::CertificateSerial(std::move(writer).take());
  };
  SeededRandom random(2);
  std::uint64_t present = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto told = kill_while_writing(1 + random.below(40), [&](int descriptor) {
      auto database = open_record_database(path);
      if (!database) ::_exit(3);
      for (std::uint64_t number = present + 1;; ++number) {
        const auto done = (*database)->write_and_wait([&](records::Records& records) -> Result<void> {
          const records::CertificateRecord record{
              .ca = ca, .serial = serial_of(number), .kind = records::CertificateKind::operational};
          TRY_VOID(records.certificates().record_intent(record));
          TRY_VOID(records.certificates().record_issued(ca, record.serial, as_bytes("der")));
          return records.put_value("last", Writer().u64(number).view());
        });
        if (!done) ::_exit(4);
        tell(descriptor, number);
      }
    });
    auto database = open_record_database(path);
    ASSERT_TRUE(database) << database.error().detail;
    ASSERT_TRUE((*database)->read([&](records::Records& records) -> Result<void> {
      TRY(auto issued, records.certificates().count(ca, records::CertificateState::issued));
      TRY(auto intents, records.certificates().count(ca, records::CertificateState::intent));
      TRY(auto last, records.find_value("last"));
      TRY(auto changes, records.change_number());
      EXPECT_GE(issued, told) << "round " << round;
      EXPECT_EQ(intents, 0U);
      EXPECT_EQ(Reader(*last).u64().value(), issued);
      EXPECT_EQ(changes, issued);
      present = issued;
      return {};
    }));
  }
}

}  // namespace
}  // namespace sallyport::store
