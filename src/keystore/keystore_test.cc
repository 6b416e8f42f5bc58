#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "crypto/system_random.h"
#include "keystore/file.h"
#include "keystore/key_file.h"
#include "keystore/machine_secret.h"
#include "keystore/state_folder.h"

namespace sallyport::keystore {
namespace {

namespace fs = std::filesystem;

class KeystoreTest : public testing::Test {
 protected:
  KeystoreTest() {
    std::string name = (fs::path(testing::TempDir()) / "keystore.XXXXXX").native();
    folder_ = ::mkdtemp(name.data());
  }
  ~KeystoreTest() override { fs::remove_all(folder_); }

  mode_t mode_of(const fs::path& path) {
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777U;
  }
  std::size_t file_count() {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  void write(const fs::path& path, std::string_view text, mode_t mode = 0600) {
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
  }

  fs::path folder_;
  crypto::SystemRandom random_;
};

using FileTest = KeystoreTest;
using KeyFileTest = KeystoreTest;
using MachineSecretTest = KeystoreTest;
using StateFolderTest = KeystoreTest;

TEST_F(FileTest, IsWrittenWholeWithItsMode) {
  const auto path = folder_ / "a";
  ASSERT_TRUE(atomic_write_file(path, as_bytes("one"), kSecretMode));
  EXPECT_EQ(mode_of(path), 0600U);
  ASSERT_TRUE(atomic_write_file(path, as_bytes("two"), kPublicMode));
  EXPECT_EQ(mode_of(path), 0644U);
  EXPECT_EQ(as_text(read_file(path, 3).value()), "two");
  EXPECT_EQ(file_count(), 1U) << "a temporary file stayed";
}

TEST_F(FileTest, IsNeverReplacedByCreate) {
  const auto path = folder_ / "a";
  ASSERT_TRUE(create_file(path, as_bytes("one"), kSecretMode));
  EXPECT_EQ(create_file(path, as_bytes("two"), kSecretMode).error().code, Errc::conflict);
  EXPECT_EQ(as_text(read_file(path, 10).value()), "one");
  EXPECT_EQ(file_count(), 1U);
}

TEST_F(FileTest, KeepsTheOldContentWhenWritingFails) {
  const auto path = folder_ / "a";
  ASSERT_TRUE(atomic_write_file(path, as_bytes("old"), kSecretMode));
  // A write past the limit of file sizes fails in the middle, as on a full disk.
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 4096, .rlim_max = 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::_exit(atomic_write_file(path, Bytes(10'000), kSecretMode) ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(as_text(read_file(path, 10).value()), "old");
  EXPECT_EQ(file_count(), 1U);
}

TEST_F(FileTest, IsRefusedWhenItIsNotThereNotAFileOrTooLong) {
  EXPECT_EQ(read_file(folder_ / "none", 10).error().code, Errc::not_found);
  EXPECT_EQ(read_file(folder_, 10).error().code, Errc::malformed);
  write(folder_ / "long", "12345");
  EXPECT_EQ(read_file(folder_ / "long", 4).error().code, Errc::overloaded);
  EXPECT_EQ(read_file(folder_ / "long", 5).value().size(), 5U);
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_file(folder_ / "pipe", 10).error().code, Errc::malformed);
  EXPECT_EQ(atomic_write_file(folder_ / "no" / "such", as_bytes("x"), kSecretMode).error().code, Errc::not_found);
}

TEST_F(FileTest, LinksLeadToTheNewTargetsInThePlaceOfWhateverWasThere) {
  for (const char* name : {"a.key", "a.pem", "b.key", "b.pem"}) write(folder_ / name, name);
  write(folder_ / "in-use.pem", "somebody's");
  const auto lead_to = [&](const std::string& stem) {
    const SymbolicLink links[] = {{folder_ / "in-use.key", stem + ".key"}, {folder_ / "in-use.pem", stem + ".pem"}};
    return atomic_links(links);
  };
  for (const char* stem : {"a", "b", "b", "a"}) {
    ASSERT_TRUE(lead_to(stem));
    EXPECT_EQ(as_text(*read_file(folder_ / "in-use.key", 10)), std::string(stem) + ".key");
    EXPECT_EQ(as_text(*read_file(folder_ / "in-use.pem", 10)), std::string(stem) + ".pem");
  }
  EXPECT_EQ(file_count(), 6U) << "nothing was left behind";
}

TEST_F(FileTest, LinksAreNotMadeWhereNothingCanBe) {
  write(folder_ / "a", "first");
  fs::create_directory(folder_ / "folder");
  write(folder_ / "folder" / "in", "it");
  const SymbolicLink nowhere[] = {{folder_ / "no-folder" / "link", "a"}};
  EXPECT_FALSE(atomic_links(nowhere));
  const SymbolicLink over_a_folder[] = {{folder_ / "folder", "a"}, {folder_ / "link", "a"}};
  EXPECT_FALSE(atomic_links(over_a_folder));
  EXPECT_EQ(file_count(), 2U) << "nothing was left behind";
  // What a crash left in the way.
  fs::create_symlink("gone", folder_ / ".link.linked");
  const SymbolicLink link[] = {{folder_ / "link", "a"}};
  EXPECT_TRUE(atomic_links(link));
  EXPECT_EQ(file_count(), 3U);
}

TEST_F(FileTest, WithASecretMustBeOfNobodyElse) {
  const auto path = folder_ / "secret";
  write(path, "x");
  EXPECT_TRUE(read_secret_file(path, 10));
  for (const mode_t mode : {0640U, 0604U, 0660U, 0644U, 0610U}) {
    ::chmod(path.c_str(), mode);
    const auto refused = read_secret_file(path, 10);
    ASSERT_FALSE(refused) << mode;
    EXPECT_EQ(refused.error().code, Errc::unauthorized);
    EXPECT_NE(refused.error().detail.find("chmod 600"), std::string::npos);
  }
}

TEST_F(KeyFileTest, GivesBackTheKey) {
  const auto key = crypto::PrivateKey::generate();
  ASSERT_TRUE(write_private_key_file(folder_ / "plain.pem", key, {}));
  ASSERT_TRUE(write_private_key_file(folder_ / "locked.pem", key, as_bytes("correct horse")));
  EXPECT_EQ(mode_of(folder_ / "plain.pem"), 0600U);
  EXPECT_EQ(mode_of(folder_ / "locked.pem"), 0600U);
  EXPECT_EQ(read_private_key_file(folder_ / "plain.pem").value().public_key(), key.public_key());
  EXPECT_EQ(read_private_key_file(folder_ / "locked.pem", as_bytes("correct horse")).value().public_key(),
            key.public_key());
}

TEST_F(KeyFileTest, IsReplacedOnlyWhenAsked) {
  const auto first = crypto::PrivateKey::generate();
  const auto second = crypto::PrivateKey::generate();
  const auto path = folder_ / "key.pem";
  ASSERT_TRUE(write_private_key_file(path, first, {}));
  EXPECT_EQ(write_private_key_file(path, second, {}).error().code, Errc::conflict);
  EXPECT_EQ(read_private_key_file(path).value().public_key(), first.public_key());
  ASSERT_TRUE(write_private_key_file(path, second, {}, Replace::always));
  EXPECT_EQ(read_private_key_file(path).value().public_key(), second.public_key());
}

TEST_F(KeyFileTest, SaysWhatIsWrong) {
  const auto path = folder_ / "key.pem";
  EXPECT_EQ(read_private_key_file(path).error().code, Errc::not_found);
  ASSERT_TRUE(write_private_key_file(path, crypto::PrivateKey::generate(), as_bytes("right")));
  const auto missing = read_private_key_file(path);
  EXPECT_EQ(missing.error().code, Errc::unauthorized);
  EXPECT_NE(missing.error().detail.find("no passphrase"), std::string::npos);
  const auto wrong = read_private_key_file(path, as_bytes("wrong"));
  EXPECT_EQ(wrong.error().code, Errc::unauthorized);
  EXPECT_NE(wrong.error().detail.find("wrong passphrase"), std::string::npos);
  ::chmod(path.c_str(), 0644);
  EXPECT_EQ(read_private_key_file(path, as_bytes("right")).error().code, Errc::unauthorized);
  for (const char* text : {"", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                           "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
    write(folder_ / "bad.pem", text);
    EXPECT_EQ(read_private_key_file(folder_ / "bad.pem").error().code, Errc::malformed) << text;
  }
}

TEST_F(MachineSecretTest, IsMadeOnceAndKept) {
  const auto path = folder_ / "machine-secret";
  EXPECT_EQ(MachineSecret::open(path).error().code, Errc::not_found);
  const auto made = MachineSecret::open_or_create(path, random_).value();
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(fs::file_size(path), 32U);
  const auto opened = MachineSecret::open_or_create(path, random_).value();
  EXPECT_TRUE(equal(made.passphrase().expose(), opened.passphrase().expose()));
  EXPECT_EQ(made.passphrase().size(), 64U);
  EXPECT_EQ(MachineSecret::create(path, random_).error().code, Errc::conflict);
}

TEST_F(MachineSecretTest, OfAnotherLengthIsRefused) {
  write(folder_ / "short", std::string(31, 'x'));
  EXPECT_EQ(MachineSecret::open(folder_ / "short").error().code, Errc::malformed);
  write(folder_ / "long", std::string(33, 'x'));
  EXPECT_FALSE(MachineSecret::open(folder_ / "long"));
}

TEST_F(MachineSecretTest, OpensItsOwnKeysAlone) {
  const auto here = MachineSecret::create(folder_ / "here", random_).value();
  const auto there = MachineSecret::create(folder_ / "there", random_).value();
  const auto key = crypto::PrivateKey::generate();
  ASSERT_TRUE(here.write_key(folder_ / "key.pem", key));
  EXPECT_EQ(here.read_key(folder_ / "key.pem").value().public_key(), key.public_key());
  const auto foreign = there.read_key(folder_ / "key.pem");
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, Errc::unauthorized);
  EXPECT_NE(foreign.error().detail.find("another machine"), std::string::npos);
}

constexpr StateFormat kAgent{.kind = "agent", .version = 2};

TEST_F(StateFolderTest, IsMadeOpenedAndLocked) {
  const auto path = folder_ / "a" / "b";
  EXPECT_EQ(StateFolder::open(path, kAgent).error().code, Errc::not_found);
  {
    const auto made = StateFolder::create(path, kAgent);
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(mode_of(path), 0700U);
    EXPECT_EQ(made->version(), 2U);
    EXPECT_EQ(as_text(read_file(made->file("version"), 100).value()), "sallyport-state agent 2\n");
    const auto second = StateFolder::open(path, kAgent);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::unavailable);
    EXPECT_NE(second.error().detail.find(fmt::format("process {}", ::getpid())), std::string::npos);
  }
  EXPECT_TRUE(StateFolder::open(path, kAgent));
  EXPECT_TRUE(StateFolder::open_or_create(path, kAgent));
  EXPECT_EQ(StateFolder::create(path, kAgent).error().code, Errc::conflict);
}

TEST_F(StateFolderTest, IsLockedUntilTheMovedToObjectEnds) {
  auto first = StateFolder::create(folder_ / "s", kAgent).value();
  {
    const StateFolder moved = std::move(first);
    EXPECT_FALSE(StateFolder::open(folder_ / "s", kAgent));
  }
  EXPECT_TRUE(StateFolder::open(folder_ / "s", kAgent));
}

TEST_F(StateFolderTest, IsLockedAgainstOtherProcesses) {
  const auto held = StateFolder::create(folder_ / "s", kAgent).value();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(StateFolder::open(folder_ / "s", kAgent) ? 1 : 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(StateFolderTest, OfANewerProgramIsRefusedInOneSentence) {
  {
    ASSERT_TRUE(StateFolder::create(folder_ / "s", {.kind = "agent", .version = 3}));
  }
  const auto refused = StateFolder::open(folder_ / "s", {.kind = "agent", .version = 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_EQ(refused.error().detail,
            (folder_ / "s").native() + ": found version 3, this program knows 1; use the newer program");
}

TEST_F(StateFolderTest, OlderThanTheOldestUsableIsRefusedInOneSentence) {
  const auto path = folder_ / "s";
  {
    ASSERT_TRUE(StateFolder::create(path, {.kind = "agent", .version = 1}));
  }
  constexpr StateFormat kLater{.kind = "agent", .version = 3, .oldest = 2};
  for (const auto& refused : {StateFolder::open(path, kLater), StateFolder::open_or_create(path, kLater)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::conflict);
    EXPECT_EQ(refused.error().detail,
              path.native() + ": found version 1, want 2 or newer; this program cannot use it, begin a new folder");
  }
}

TEST_F(StateFolderTest, OfAnOlderProgramIsOpenedAndUpgraded) {
  {
    ASSERT_TRUE(StateFolder::create(folder_ / "s", {.kind = "agent", .version = 1}));
  }
  {
    auto folder = StateFolder::open(folder_ / "s", kAgent).value();
    EXPECT_EQ(folder.version(), 1U);
    ASSERT_TRUE(folder.set_version(kAgent));
  }
  EXPECT_EQ(StateFolder::open(folder_ / "s", kAgent).value().version(), 2U);
}

TEST_F(StateFolderTest, IsMadeWithWhateverIsMissingAboveIt) {
  EXPECT_TRUE(make_folders(folder_ / "a" / "b" / "c", kPrivateFolderMode));
  EXPECT_TRUE(fs::is_directory(folder_ / "a" / "b" / "c"));
  EXPECT_EQ(fs::status(folder_ / "a").permissions(), fs::perms::owner_all);
  EXPECT_TRUE(make_folders(folder_ / "a" / "b", kPublicFolderMode)) << "one that is there stays as it is";
  EXPECT_EQ(fs::status(folder_ / "a" / "b").permissions(), fs::perms::owner_all);
  write(folder_ / "file", "x");
  EXPECT_FALSE(make_folders(folder_ / "file", kPublicFolderMode));
  EXPECT_FALSE(make_folders(folder_ / "file" / "below", kPublicFolderMode));
}

TEST_F(StateFolderTest, OfAnotherRoleIsRefused) {
  {
    ASSERT_TRUE(StateFolder::create(folder_ / "s", {.kind = "root", .version = 1}));
  }
  EXPECT_EQ(StateFolder::open(folder_ / "s", kAgent).error().code, Errc::conflict);
}

TEST_F(StateFolderTest, WithForeignFilesIsLeftAlone) {
  fs::create_directory(folder_ / "home");
  write(folder_ / "home" / "letter.txt", "dear");
  EXPECT_EQ(StateFolder::create(folder_ / "home", kAgent).error().code, Errc::conflict);
  EXPECT_FALSE(fs::exists(folder_ / "home" / "version"));
}

TEST_F(StateFolderTest, LeftByACrashInCreateIsMadeAgain) {
  fs::create_directory(folder_ / "s");
  write(folder_ / "s" / "lock", "");
  write(folder_ / "s" / ".version.Ab12Cd", "sally");
  EXPECT_TRUE(StateFolder::open_or_create(folder_ / "s", kAgent));
}

TEST_F(StateFolderTest, WithABrokenVersionFileIsRefused) {
  fs::create_directory(folder_ / "s");
  for (const char* text :
       {"", "\n", "3\n", "sallyport-state agent\n", "sallyport-state agent 2", "sallyport-state agent x\n",
        "sallyport-state agent 0\n", "sallyport-state agent 2 3\n", "sallyport-state agent -1\n",
        "sallyport-state agent 99999999999\n", "other-state agent 1\n", "sallyport-state  agent 2\n"}) {
    write(folder_ / "s" / "version", text);
    EXPECT_FALSE(StateFolder::open(folder_ / "s", kAgent)) << text;
  }
}

}  // namespace
}  // namespace sallyport::keystore
