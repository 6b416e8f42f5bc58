#include "keystore/owned_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace sallyport::keystore {
namespace {

namespace fs = std::filesystem;
constexpr uid_t kRole = 61'234;

class OwnedFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root gives anything away";
    std::string name = ::testing::TempDir() + "sallyport-owned-XXXXXX";
    outside_ = ::mkdtemp(name.data());
    folder_ = outside_ / "role";
    fs::create_directories(folder_ / "sub");
    write(folder_ / "plain");
    write(outside_ / "secret");
  }
  void TearDown() override {
    if (!outside_.empty()) fs::remove_all(outside_);
  }
  static void write(const fs::path& file) { std::ofstream(file) << "x"; }
  static uid_t owner_of(const fs::path& file) {
    struct stat found{};
    EXPECT_EQ(::lstat(file.c_str(), &found), 0) << file;
    return found.st_uid;
  }

  fs::path outside_;
  fs::path folder_;
};

TEST_F(OwnedFolder, IsGivenWithFilesAndFolders) {
  const auto left = give_folder(folder_, kRole);
  ASSERT_TRUE(left) << left.error().detail;
  EXPECT_EQ(*left, 0U);
  for (const fs::path& given : {folder_, folder_ / "plain", folder_ / "sub"}) EXPECT_EQ(owner_of(given), kRole);
  EXPECT_EQ(*give_folder(folder_, kRole), 0U);
}

TEST_F(OwnedFolder, NothingElseIsGivenByANameInIt) {
  fs::create_hard_link(outside_ / "secret", folder_ / "linked");
  fs::create_symlink(outside_ / "secret", folder_ / "pointing");
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  const auto left = give_folder(folder_, kRole);
  ASSERT_TRUE(left) << left.error().detail;
  EXPECT_EQ(*left, 3U);
  EXPECT_EQ(owner_of(outside_ / "secret"), 0U) << "another's file, which the role had linked to";
  EXPECT_EQ(owner_of(folder_ / "plain"), kRole);
  EXPECT_EQ(owner_of(folder_ / "pipe"), 0U);
}

TEST_F(OwnedFolder, IsOneAndNotALinkToOne) {
  fs::create_directory_symlink(outside_, outside_ / "link");
  const auto refused = give_folder(outside_ / "link", kRole);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::not_found);
  EXPECT_FALSE(give_folder(folder_ / "plain", kRole));
  EXPECT_EQ(owner_of(outside_), 0U);
}

}  // namespace
}  // namespace sallyport::keystore
