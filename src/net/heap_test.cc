#include "net/heap.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <vector>

#include "net/io.h"
#include "net/run.h"
#include "net/task_group.h"
#include "net/timer.h"

// Sanitizers have an allocator of their own.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

namespace sallyport::net {
namespace {

constexpr std::size_t kBlock = 1'024;
constexpr std::size_t kBlocks = 32 * 1'024;
constexpr int kTurns = 1'000;
constexpr std::size_t kEach = 64;  // of so many one stays, the last one too

// Resident memory of this process that is of no file, in bytes.
std::size_t own_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::size_t kib = 0;
    if (word == "RssAnon:" && status >> kib) return kib * 1'024;
  }
  return 0;
}

// Or until kTurns turns have passed: their number decides, not their time.
Task<void> until_below(std::size_t bytes) {
  for (int turn = 0; own_memory() >= bytes && turn < kTurns; ++turn) co_await sleep_for(milliseconds(1));
}

TEST(Heap, WhatWasFreedBetweenWhatStaysIsGivenBack) {
  std::vector<std::unique_ptr<char[]>> blocks(kBlocks);
  for (auto& block : blocks) {
    block = std::make_unique<char[]>(kBlock);
    std::fill_n(block.get(), kBlock, 'x');
  }
  for (std::size_t i = 0; i < kBlocks; ++i) {
    if ((i + 1) % kEach != 0) blocks[i].reset();
  }
  const std::size_t held = own_memory();
  Io io;
  TaskGroup tasks(io.executor());
  tasks.spawn(keep_heap_small(milliseconds(1)), "heap");
  run(io, until_below(held - kBlocks * kBlock / 2));
  EXPECT_LT(own_memory() + kBlocks * kBlock / 2, held);
  io.restart();
  run(io, tasks.stop());
}

}  // namespace
}  // namespace sallyport::net

#endif
