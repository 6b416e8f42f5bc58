#include "keystore/append_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace sallyport::keystore {
namespace {

class AppendFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sallyport-append-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path path() const { return folder_ / "log"; }

  std::filesystem::path folder_;
};

TEST_F(AppendFileTest, KeepsWhatWasAppendedOverReopening) {
  {
    auto file = AppendFile::open(path(), 0600);
    ASSERT_TRUE(file) << file.error().detail;
    ASSERT_TRUE(file->append(as_bytes("one ")));
    ASSERT_TRUE(file->append(as_bytes("two")));
  }
  auto again = AppendFile::open(path(), 0600);
  ASSERT_TRUE(again);
  auto bytes = again->read_all(100);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(as_text(*bytes), "one two");
  ASSERT_TRUE(again->cut(4));
  ASSERT_TRUE(again->append(as_bytes("three")));
  EXPECT_EQ(as_text(*again->read_all(100)), "one three");
}

TEST_F(AppendFileTest, RefusesToReadMoreThanItsLimit) {
  auto file = AppendFile::open(path(), 0600);
  ASSERT_TRUE(file && file->append(as_bytes("12345")));
  auto bytes = file->read_all(4);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, Errc::overloaded);
}

TEST_F(AppendFileTest, FollowsNoLinkAndOpensNoFolder) {
  ASSERT_EQ(::symlink("/etc/passwd", path().c_str()), 0);
  EXPECT_FALSE(AppendFile::open(path(), 0600));
  EXPECT_FALSE(AppendFile::open(folder_, 0600));
}

// The disk is "full" after each possible number of bytes: either all of the second record is there, or none of it.
TEST_F(AppendFileTest, AnAppendThatFailsLeavesNothing) {
  for (rlim_t room = 4; room <= 12; ++room) {
    std::filesystem::remove(path());
    const pid_t child = ::fork();
    if (child == 0) {
      static_cast<void>(std::signal(SIGXFSZ, SIG_IGN));
      auto file = AppendFile::open(path(), 0600);
      if (!file || !file->append(as_bytes("one "))) ::_exit(1);
      const rlimit limit{.rlim_cur = room, .rlim_max = room};
      if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(2);
      auto appended = file->append(as_bytes("two-two-"));
      if (room == 12) ::_exit(appended ? 0 : 3);
      ::_exit(!appended && appended.error().code == Errc::overloaded && file->size() == 4 ? 0 : 4);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << room;
    EXPECT_EQ(std::filesystem::file_size(path()), room == 12 ? 12U : 4U) << room;
  }
}

}  // namespace
}  // namespace sallyport::keystore
