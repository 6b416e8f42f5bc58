#include "signer/checkpoint_mark.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "keystore/file.h"

namespace sallyport::signer {
namespace {

TEST(CheckpointFile, RemembersTheLastMarkOverEveryRestart) {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("sallyport-mark-{}", ::getpid());
  std::filesystem::create_directories(folder);
  const auto path = folder / "mark";
  for (std::uint8_t round = 0; round < 5; ++round) {
    auto file = CheckpointFile::open(path);
    ASSERT_TRUE(file) << file.error().detail;
    EXPECT_EQ(file->last(), (LogMark{round, {round}}));
    ASSERT_TRUE(file->raise({std::uint64_t{round} + 1, {static_cast<std::uint8_t>(round + 1)}}));
  }
  std::filesystem::remove_all(folder);
}

TEST(CheckpointFile, SurvivesAWriteThatWasCutAnywhereAndRefusesAFileThatIsNone) {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("sallyport-mark-{}", ::getpid());
  std::filesystem::create_directories(folder);
  const auto path = folder / "mark";
  {
    auto file = CheckpointFile::open(path);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->raise({1, {1}}));
    ASSERT_TRUE(file->raise({2, {2}}));
  }
  const auto whole = *keystore::read_file(path, 1'000);
  ASSERT_EQ(whole.size(), 128U);
  for (std::size_t cut = 0; cut < 64; ++cut) {  // of the second mark, which stands in slot 0
    Bytes torn = whole;
    std::fill(torn.begin(), torn.begin() + static_cast<std::ptrdiff_t>(64 - cut), std::uint8_t{0});
    ASSERT_TRUE(keystore::atomic_write_file(path, torn, keystore::kSecretMode));
    const auto file = CheckpointFile::open(path);
    ASSERT_TRUE(file) << cut;
    EXPECT_EQ(file->last(), (LogMark{1, {1}})) << cut;
  }
  for (const Bytes& bytes : {Bytes{}, Bytes(128, 0), Bytes(64, 0xFF)}) {
    ASSERT_TRUE(keystore::atomic_write_file(path, bytes, keystore::kSecretMode));
    EXPECT_FALSE(CheckpointFile::open(path));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sallyport::signer
