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

TEST_F(OwnedFolder, MayBeALinkThatOnlyRootCouldMake) {
  fs::create_directory(outside_ / "state");
  fs::create_directory_symlink(folder_, outside_ / "state" / "absolute");
  fs::create_directory_symlink("../role", outside_ / "state" / "relative");
  for (const char* const link : {"absolute", "relative"}) {
    ASSERT_EQ(::lchown((folder_ / "plain").c_str(), 0, 0), 0);
    const auto left = give_folder(outside_ / "state" / link, kRole);
    ASSERT_TRUE(left) << left.error().detail;
    EXPECT_EQ(owner_of(folder_), kRole);
    EXPECT_EQ(owner_of(folder_ / "plain"), kRole);
    EXPECT_EQ(owner_of(outside_ / "state" / link), 0U) << "a role could lead it elsewhere";
  }
}

TEST_F(OwnedFolder, MayLieBehindALink) {
  fs::create_directory_symlink(outside_, outside_ / "elsewhere");
  ASSERT_TRUE(give_folder(outside_ / "elsewhere" / "role", kRole));
  EXPECT_EQ(owner_of(folder_), kRole);
}

TEST_F(OwnedFolder, IsNoLinkThatAnotherCouldMake) {
  const auto refused = [](const fs::path& path) {
    const auto given = give_folder(path, kRole);
    return !given && given.error().code == Errc::not_found;
  };
  fs::create_directory(outside_ / "state");
  const fs::path link = outside_ / "state" / "link";
  fs::create_directory_symlink(folder_, link);
  ASSERT_EQ(::lchown(link.c_str(), kRole, kRole), 0);
  EXPECT_TRUE(refused(link)) << "another's link";
  ASSERT_EQ(::lchown(link.c_str(), 0, 0), 0);
  for (const mode_t mode : {mode_t{0775}, mode_t{01777}}) {
    ASSERT_EQ(::chmod(link.parent_path().c_str(), mode), 0);
    EXPECT_TRUE(refused(link)) << "where others write";
  }
  ASSERT_EQ(::chmod(link.parent_path().c_str(), 0755), 0);
  ASSERT_EQ(::chown(link.parent_path().c_str(), kRole, kRole), 0);
  EXPECT_TRUE(refused(link)) << "in another's folder";
  ASSERT_EQ(::chown(link.parent_path().c_str(), 0, 0), 0);
  fs::create_directory_symlink(link, outside_ / "again");
  EXPECT_TRUE(refused(outside_ / "again")) << "a link to a link";
  EXPECT_TRUE(refused(folder_ / "plain"));
  EXPECT_EQ(owner_of(folder_), 0U);
}

}  // namespace
}  // namespace sallyport::keystore
