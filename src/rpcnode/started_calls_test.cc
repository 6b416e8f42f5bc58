#include "rpcnode/started_calls.h"

#include <unistd.h>

#include <fstream>

#include <gtest/gtest.h>

#include "keystore/file.h"
#include "net/run.h"

namespace sallyport::rpcnode {
namespace {

const UnixTime kStart(1'800'000'000);
const sealed::Principal kAnn("key:ann");

sealed::CallId call_id(std::uint8_t last) {
  std::array<std::uint8_t, 16> bytes{};
  bytes.back() = last;
  return sealed::CallId(bytes);
}

class StartedCallsFile : public testing::Test {
 protected:
  StartedCallsFile() {
    char pattern[] = "/tmp/started-calls-XXXXXX";
    folder_ = ::mkdtemp(pattern);
  }
  ~StartedCallsFile() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<StartedCalls> open(UnixTime now = kStart) {
    auto opened = StartedCalls::open(file(), now, tasks_);
    EXPECT_TRUE(opened) << opened.error().detail;
    return opened ? *std::move(opened) : nullptr;
  }
  StartedCalls::Mark start(StartedCalls& calls, std::uint8_t id, UnixTime deadline = kStart + minutes(5)) {
    const auto mark = net::run(io_, calls.start(kAnn, call_id(id), deadline, kStart));
    EXPECT_TRUE(mark && *mark);
    return **mark;
  }
  std::filesystem::path file() const { return folder_ / "started"; }

  std::filesystem::path folder_;
  net::Io io_;
  net::TaskGroup tasks_{io_.executor()};
};

TEST_F(StartedCallsFile, ACallIsMarkedOnce) {
  const auto calls = open();
  EXPECT_EQ(start(*calls, 1), StartedCalls::Mark::made);
  EXPECT_EQ(start(*calls, 1), StartedCalls::Mark::was_there);
  EXPECT_EQ(start(*calls, 2), StartedCalls::Mark::made);
  EXPECT_TRUE(calls->runs(kAnn, call_id(1)));
  EXPECT_FALSE(calls->runs(sealed::Principal("key:bob"), call_id(1)));
  calls->end(kAnn, call_id(1));
  EXPECT_FALSE(calls->runs(kAnn, call_id(1)));
  EXPECT_EQ(calls->find(kAnn, call_id(1))->status, sealed::ReplyStatus::outcome_unknown);
}

TEST_F(StartedCallsFile, AMarkOutlivesTheProcess) {
  start(*open(), 1);
  const auto again = open();
  EXPECT_EQ(start(*again, 1), StartedCalls::Mark::was_there);
  EXPECT_FALSE(again->runs(kAnn, call_id(1)));
  EXPECT_EQ(again->find(kAnn, call_id(1))->status, sealed::ReplyStatus::outcome_unknown);
  EXPECT_FALSE(again->find(kAnn, call_id(2)));
}

TEST_F(StartedCallsFile, AResultOutlivesTheProcess) {
  const sealed::ReplyBody done{.status = sealed::ReplyStatus::done, .json = "{\"result\":1}"};
  {
    const auto calls = open();
    start(*calls, 1);
    const auto kept = net::run(io_, calls->keep(kAnn, call_id(1), done));
    ASSERT_TRUE(kept && *kept);
  }
  EXPECT_EQ(open()->find(kAnn, call_id(1)), done);
}

TEST_F(StartedCallsFile, AMarkIsForgottenWhenNobodyMayRepeatItAnyMoreAndNotBefore) {
  start(*open(), 1, kStart + minutes(5));
  start(*open(), 2, kStart + hours(30));
  EXPECT_EQ(open(kStart + kRepeatLife + kMarkMargin)->size(), 2U);
  EXPECT_EQ(open(kStart + kRepeatLife + kMarkMargin + seconds(1))->size(), 1U);
}

TEST_F(StartedCallsFile, AnIdThatIsTooOldToBeRememberedIsNotRun) {
  const auto calls = open();
  SeededRandom random(1);
  const auto refused = [&](UnixTime drawn, UnixTime deadline) {
    const auto mark = net::run(io_, calls->start(kAnn, sealed::draw_call_id(drawn, random), deadline, kStart));
    return mark && !*mark && mark->error().code == Errc::expired;
  };
  EXPECT_FALSE(refused(kStart - kRepeatLife, kStart + minutes(5)));
  EXPECT_TRUE(refused(kStart - kRepeatLife - seconds(1), kStart + minutes(5)));
}

TEST_F(StartedCallsFile, AClockThatLeapsAndComesBackBringsNoStoredCallBack) {
  const auto leapt = kStart + hours(24 * 30);
  start(*open(), 1, kStart + hours(30));
  EXPECT_EQ(open(leapt)->size(), 0U);
  const auto calls = open();
  const auto mark = net::run(io_, calls->start(kAnn, call_id(1), kStart + hours(30), kStart));
  ASSERT_TRUE(mark);
  EXPECT_FALSE(*mark);
}

TEST_F(StartedCallsFile, ACallThatRunsIsNotForgottenHoweverLongItTakes) {
  const auto calls = open();
  start(*calls, 1);
  ASSERT_TRUE(calls->on_tick(kStart + hours(50)));
  EXPECT_EQ(calls->size(), 1U);
  calls->end(kAnn, call_id(1));
  ASSERT_TRUE(calls->on_tick(kStart + hours(50)));
  EXPECT_EQ(calls->size(), 0U);
}

TEST_F(StartedCallsFile, AResultThatIsLongerThanAMessageLeavesAFileThatIsRead) {
  {
    const auto calls = open();
    start(*calls, 1);
    const sealed::ReplyBody huge{.status = sealed::ReplyStatus::done,
                                 .json = std::string(2 * sealed::kMaxMessageBytes, 'x')};
    const auto kept = net::run(io_, calls->keep(kAnn, call_id(1), huge));
    ASSERT_TRUE(kept && *kept);
  }
  const auto found = open()->find(kAnn, call_id(1));
  ASSERT_TRUE(found);
  EXPECT_NE(found->json.find("longer than may be kept"), std::string::npos);
}

TEST_F(StartedCallsFile, OneCallerCannotTakeTheRoomOfOthers) {
  const auto calls = open();
  const sealed::ReplyBody large{.status = sealed::ReplyStatus::done, .json = std::string(200'000, 'x')};
  bool refused = false;
  for (std::uint8_t id = 1; id < 60 && !refused; ++id) {
    const auto mark = net::run(io_, calls->start(kAnn, call_id(id), kStart + hours(100), kStart));
    refused = !*mark && mark->error().code == Errc::overloaded;
    if (!refused) static_cast<void>(net::run(io_, calls->keep(kAnn, call_id(id), large)));
  }
  EXPECT_TRUE(refused);
  const auto other = net::run(io_, calls->start(sealed::Principal("key:bob"), call_id(1), kStart, kStart));
  EXPECT_TRUE(other && *other);
}

TEST_F(StartedCallsFile, EveryTornEndIsCutOffAndWhatWasWholeIsKept) {
  const StartedCall call{.principal = {1}, .id = call_id(1), .until = kStart, .result = std::nullopt};
  const Bytes one = encode_started_call(call);
  for (std::size_t cut = 0; cut < one.size(); ++cut) {
    Bytes two = one;
    append(two, ByteView(one).first(cut));
    const auto read = parse_started_calls(two);
    ASSERT_TRUE(read) << cut;
    EXPECT_EQ(read->calls.size(), 1U);
    EXPECT_EQ(read->good, one.size());
  }
}

TEST_F(StartedCallsFile, ADamagedRecordThatIsNotTheLastStopsTheStart) {
  const StartedCall call{.principal = {1}, .id = call_id(1), .until = kStart, .result = to_bytes("x")};
  const Bytes one = encode_started_call(call);
  for (std::size_t at = 0; at < one.size(); ++at) {
    Bytes two = one;
    append(two, one);
    two[at] ^= 1U;
    EXPECT_FALSE(parse_started_calls(two)) << at;
  }
  Bytes damaged = one;
  damaged.back() ^= 1U;
  append(damaged, one);
  ASSERT_TRUE(keystore::atomic_write_file(file(), damaged, keystore::kSecretMode));
  const auto opened = StartedCalls::open(file(), kStart, tasks_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::malformed);
  EXPECT_NE(opened.error().detail.find("started"), std::string::npos);
}

TEST_F(StartedCallsFile, TheFileIsWrittenAnewWithoutWhatIsOver) {
  const auto calls = open();
  const sealed::ReplyBody large{.status = sealed::ReplyStatus::done, .json = std::string(200'000, 'x')};
  for (std::uint8_t id = 0; id < 30; ++id) {
    start(*calls, id, kStart + kRepeatLife + seconds(id));
    calls->end(kAnn, call_id(id));
    ASSERT_TRUE(net::run(io_, calls->keep(kAnn, call_id(id), large)));
  }
  ASSERT_TRUE(calls->on_tick(kStart));
  const auto before = std::filesystem::file_size(file());
  ASSERT_GT(before, kCompactAbove);
  ASSERT_TRUE(calls->on_tick(kStart + kRepeatLife + kMarkMargin + seconds(28)));
  EXPECT_LT(std::filesystem::file_size(file()), before / 10);
  EXPECT_EQ(calls->size(), 2U);
  EXPECT_EQ(start(*calls, 100, kStart + hours(3)), StartedCalls::Mark::made);
}

TEST_F(StartedCallsFile, MarksThatComeTogetherAreAllOnDisk) {
  const auto calls = open();
  int made = 0;
  const auto one = [](StartedCalls& of, std::uint8_t id, int& count) -> net::Task<void> {
    const auto mark = co_await of.start(kAnn, call_id(id), kStart + minutes(5), kStart);
    if (mark && *mark == StartedCalls::Mark::made) ++count;
  };
  for (std::uint8_t id = 0; id < 50; ++id) tasks_.spawn(one(*calls, id, made), "test");
  net::run(io_, tasks_.until_empty());
  EXPECT_EQ(made, 50);
  EXPECT_EQ(open()->size(), 50U);
}

}  // namespace
}  // namespace sallyport::rpcnode
