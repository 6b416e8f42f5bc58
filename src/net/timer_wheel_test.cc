#include "net/detail/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace sallyport::net {
namespace {

using Tick = TimerWheel::Tick;
using Entry = TimerWheel::Entry;

std::vector<Tick> take_all_due(TimerWheel& wheel) {
  std::vector<Tick> due;
  while (Entry* const entry = wheel.take_due()) due.push_back(entry->at());
  return due;
}

constexpr Tick kDigit = 64;

TEST(TimerWheel, NothingIsDueBeforeItsTickAndAllIsAtIt) {
  const std::vector<Tick> ahead{1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 262'143, 262'144, 86'400'000};
  for (const Tick begin : {Tick{0}, Tick{1}, Tick{63}, Tick{64}, Tick{4095}, Tick{999'999}}) {
    for (const Tick wait : ahead) {
      TimerWheel wheel;
      wheel.advance(begin);
      Entry entry;
      wheel.add(entry, begin + wait);
      wheel.advance(begin + wait - 1);
      EXPECT_EQ(wheel.take_due(), nullptr) << begin << " + " << wait;
      wheel.advance(begin + wait);
      EXPECT_EQ(wheel.take_due(), &entry) << begin << " + " << wait;
      EXPECT_EQ(wheel.take_due(), nullptr);
      EXPECT_FALSE(wheel.next());
    }
  }
}

TEST(TimerWheel, WhatHasPassedIsDueAtOnce) {
  TimerWheel wheel;
  wheel.advance(100);
  Entry now, before;
  wheel.add(now, 100);
  wheel.add(before, 7);
  EXPECT_EQ(wheel.next(), 100U);
  EXPECT_EQ(take_all_due(wheel), (std::vector<Tick>{100, 7}));
}

TEST(TimerWheel, TimeDoesNotGoBack) {
  TimerWheel wheel;
  Entry entry;
  wheel.advance(5'000);
  wheel.add(entry, 5'010);
  wheel.advance(3);
  EXPECT_EQ(wheel.now(), 5'000U);
  EXPECT_EQ(wheel.next(), 5'010U);
  wheel.advance(5'009);
  EXPECT_EQ(wheel.take_due(), nullptr);
}

TEST(TimerWheel, WhatHasLeftIsNotDueWhereverItWas) {
  TimerWheel wheel;
  Entry entry;
  for (const Tick wait : {Tick{3}, kDigit, kDigit * kDigit, kDigit * kDigit * kDigit}) {
    const Tick begin = wheel.now();
    wheel.add(entry, begin + wait);
    EXPECT_FALSE(entry.is_alone());
    entry.leave();
    EXPECT_FALSE(wheel.next()) << wait;
    wheel.add(entry, begin + wait);
    wheel.advance(begin + wait - 1);  // down from level to level
    entry.leave();
    wheel.advance(begin + wait);
    EXPECT_EQ(wheel.take_due(), nullptr) << wait;
    wheel.add(entry, begin);
    entry.leave();
    EXPECT_EQ(wheel.take_due(), nullptr) << "also when it was due";
  }
}

TEST(TimerWheel, AnEntryThatEndsLeaves) {
  TimerWheel wheel;
  {
    Entry entry;
    wheel.add(entry, 1'000);
  }
  EXPECT_FALSE(wheel.next());
  wheel.advance(2'000);
  EXPECT_EQ(wheel.take_due(), nullptr);
}

TEST(TimerWheel, TellsExactlyWhenTheFirstIsDueWhereFewWait) {
  TimerWheel wheel;
  wheel.advance(77);
  Entry day, minute, second;
  wheel.add(day, 77 + 86'400'000);
  EXPECT_EQ(wheel.next(), 77U + 86'400'000);
  wheel.add(minute, 77 + 60'000);
  EXPECT_EQ(wheel.next(), 77U + 60'000);
  wheel.add(second, 77 + 1'000);
  EXPECT_EQ(wheel.next(), 77U + 1'000);
  second.leave();
  EXPECT_EQ(wheel.next(), 77U + 60'000);
}

TEST(TimerWheel, TellsNoLaterThanTheFirstIsDueWhereManyWait) {
  TimerWheel wheel;
  std::vector<std::unique_ptr<Entry>> entries;
  for (Tick i = 0; i < 1'000; ++i) {
    entries.push_back(std::make_unique<Entry>());
    wheel.add(*entries.back(), 60'000 + i % 7);
  }
  std::size_t wakes = 0, due = 0;
  while (const auto next = wheel.next()) {
    ASSERT_GE(*next, wheel.now());
    wheel.advance(*next);
    for (const Tick at : take_all_due(wheel)) {
      EXPECT_EQ(at, wheel.now());
      ++due;
    }
    ++wakes;
  }
  EXPECT_EQ(due, entries.size());
  EXPECT_LE(wakes, 7U + 2U) << "one for each tick, and one for each level on the way down";
}

TEST(TimerWheel, TheEndOfTimeIsReached) {
  TimerWheel wheel;
  Entry last, beyond;
  wheel.add(last, TimerWheel::kLastTick);
  wheel.add(beyond, ~Tick{0});
  wheel.advance(TimerWheel::kLastTick - 1);
  EXPECT_EQ(wheel.take_due(), nullptr);
  wheel.advance(~Tick{0});
  EXPECT_EQ(take_all_due(wheel).size(), 2U);
}

TEST(TimerWheel, TakesOutEverythingAtTheEnd) {
  TimerWheel wheel;
  wheel.advance(10);
  Entry due, soon, late;
  wheel.add(due, 1);
  wheel.add(soon, 11);
  wheel.add(late, 1'000'000);
  std::set<const Entry*> taken;
  while (Entry* const entry = wheel.take_any()) taken.insert(entry);
  EXPECT_EQ(taken, (std::set<const Entry*>{&due, &soon, &late}));
}

// Against a sorted map, with steps and waits of every size.
class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {}

  void step() {
    switch (random_() % 4) {
      case 0:
      case 1:
        return enter();
      case 2:
        return leave();
      default:
        return move();
    }
  }

 private:
  Tick any_wait() { return random_() % (Tick{1} << (random_() % 32)); }

  void enter() {
    auto entry = std::make_unique<Entry>();
    const Tick at = wheel_.now() + any_wait();
    wheel_.add(*entry, at);
    expected_.emplace(at, std::move(entry));
  }

  void leave() {
    if (expected_.empty()) return;
    auto found = expected_.begin();
    std::advance(found, static_cast<std::ptrdiff_t>(random_() % expected_.size()));
    expected_.erase(found);
  }

  void move() {
    const auto next = wheel_.next();
    ASSERT_EQ(next.has_value(), !expected_.empty());
    if (next) {
      ASSERT_LE(*next, std::max(wheel_.now(), expected_.begin()->first));
    }
    const Tick to = next && random_() % 2 == 0 ? *next : wheel_.now() + any_wait();
    wheel_.advance(to);
    ASSERT_EQ(wheel_.now(), to);
    while (const Entry* const due = wheel_.take_due()) {
      ASSERT_LE(due->at(), to) << "too early";
      const auto [first, last] = expected_.equal_range(due->at());
      const auto found = std::find_if(first, last, [due](const auto& each) { return each.second.get() == due; });
      ASSERT_NE(found, last) << "had left, or was due before";
      expected_.erase(found);
    }
    ASSERT_TRUE(expected_.empty() || expected_.begin()->first > to) << "late";
  }

  std::mt19937_64 random_;
  TimerWheel wheel_;
  std::multimap<Tick, std::unique_ptr<Entry>> expected_;
};

TEST(TimerWheel, AgreesWithASortedMapWhateverHappens) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Model model(seed);
    for (int i = 0; i < 2'000; ++i) {
      model.step();
      if (::testing::Test::HasFatalFailure()) FAIL() << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace sallyport::net
