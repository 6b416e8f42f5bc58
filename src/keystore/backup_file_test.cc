#include "keystore/backup_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "keystore/file.h"

namespace sallyport::keystore {
namespace {

namespace fs = std::filesystem;

class BackupFileTest : public testing::Test {
 protected:
  BackupFileTest() {
    std::string name = testing::TempDir() + "sallyport-backup-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~BackupFileTest() override { fs::remove_all(folder_); }

  fs::path file(std::string_view name) const { return folder_ / name; }
  // A backup of three files, one of them empty, one longer than a buffer.
  fs::path make() {
    const Bytes large(3'000'000, 0x5A);
    EXPECT_TRUE(create_file(file("large"), large, kSecretMode));
    auto writer = BackupWriter::create(file("a.backup"));
    EXPECT_TRUE(writer) << (writer ? "" : writer.error().detail);
    EXPECT_TRUE(writer->add("version", kPublicMode, as_bytes("sallyport-state installation 2\n")));
    EXPECT_TRUE(writer->add_file("authority/authority.db", kSecretMode, file("large")));
    EXPECT_TRUE(writer->add("trust/empty", kPublicMode, {}));
    const auto finished = writer->finish();
    EXPECT_TRUE(finished) << (finished ? "" : finished.error().detail);
    return file("a.backup");
  }
  static Bytes content_of(const fs::path& path) { return *read_file(path, 10'000'000); }
  void put(const fs::path& path, const Bytes& bytes) { EXPECT_TRUE(atomic_write_file(path, bytes, kSecretMode)); }
  static mode_t mode_of(const fs::path& path) {
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 07777U;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

TEST_F(BackupFileTest, GivesBackWhatWasPutIn) {
  const auto reader = BackupReader::open(make());
  ASSERT_TRUE(reader) << reader.error().detail;
  ASSERT_EQ(reader->entries().size(), 3U);
  EXPECT_EQ(as_text(*reader->read(*reader->find("version"), 100)), "sallyport-state installation 2\n");
  ASSERT_TRUE(reader->extract(*reader->find("authority/authority.db"), file("out")));
  EXPECT_EQ(content_of(file("out")), Bytes(3'000'000, 0x5A));
  EXPECT_EQ(mode_of(file("out")), kSecretMode);
  ASSERT_TRUE(reader->extract(*reader->find("trust/empty"), file("empty")));
  EXPECT_TRUE(content_of(file("empty")).empty());
  EXPECT_EQ(mode_of(file("empty")), kPublicMode);
  EXPECT_EQ(reader->find("secret"), nullptr);
}

TEST_F(BackupFileTest, IsReadableByItsOwnerAlone) {
  EXPECT_EQ(mode_of(make()), kSecretMode);
}

TEST_F(BackupFileTest, ReplacesNothing) {
  const auto path = make();
  const auto again = BackupWriter::create(path);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::conflict);
  const auto reader = BackupReader::open(path);
  const auto extracted = reader->extract(*reader->find("version"), file("large"));
  EXPECT_FALSE(extracted);
  EXPECT_EQ(content_of(file("large")).size(), 3'000'000U);
}

TEST_F(BackupFileTest, LeavesNothingWhenItIsNotFinished) {
  {
    auto writer = BackupWriter::create(file("b.backup"));
    ASSERT_TRUE(writer);
    EXPECT_TRUE(writer->add("version", kPublicMode, as_bytes("x")));
    EXPECT_EQ(files(), 1U);
  }
  EXPECT_EQ(files(), 0U);
}

TEST_F(BackupFileTest, RefusesNamesThatLeadElsewhere) {
  for (const char* name : {"../x", "/etc/passwd", "a/../b", ".hidden", "a/.b", "a/b/c", "", "A", "a b", "a/"}) {
    auto writer = BackupWriter::create(file("b.backup"));
    EXPECT_FALSE(writer->add(name, kSecretMode, as_bytes("x"))) << name;
  }
  auto writer = BackupWriter::create(file("b.backup"));
  EXPECT_FALSE(writer->add("a", 0777, as_bytes("x"))) << "a mode that gives it away";
  EXPECT_TRUE(writer->add("signer/online-ca@1f.key", kSecretMode, as_bytes("x"))) << "of a CA that was replaced";
}

TEST_F(BackupFileTest, IsRefusedWhereverAnOctetDiffers) {
  auto writer = BackupWriter::create(file("small.backup"));
  EXPECT_TRUE(writer->add("version", kPublicMode, as_bytes("v")));
  EXPECT_TRUE(writer->add("signer/online-ca.key", kSecretMode, as_bytes("key")));
  EXPECT_TRUE(writer->finish());
  const Bytes whole = content_of(file("small.backup"));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const std::uint8_t bit : {std::uint8_t{0x01}, std::uint8_t{0x80}}) {
      Bytes altered = whole;
      altered[at] ^= bit;
      put(file("altered"), altered);
      const auto reader = BackupReader::open(file("altered"));
      EXPECT_FALSE(reader) << "octet " << at;
      if (!reader) EXPECT_EQ(reader.error().code, Errc::malformed);
    }
  }
}

TEST_F(BackupFileTest, IsRefusedWhereverItIsCutOrContinued) {
  auto writer = BackupWriter::create(file("small.backup"));
  EXPECT_TRUE(writer->add("version", kPublicMode, as_bytes("v")));
  EXPECT_TRUE(writer->finish());
  const Bytes whole = content_of(file("small.backup"));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    put(file("altered"), Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)));
    EXPECT_FALSE(BackupReader::open(file("altered"))) << length;
  }
  Bytes longer = whole;
  longer.push_back(0);
  put(file("altered"), longer);
  EXPECT_FALSE(BackupReader::open(file("altered")));
}

TEST_F(BackupFileTest, BelievesNoLengthThatTheFileDoesNotHave) {
  BackupEntry entry{.name = "version", .mode = kPublicMode, .size = ~std::uint64_t{0}, .offset = 0};
  Bytes bytes = to_bytes(as_bytes(std::string_view("sallyport/backup/v1\0", 20)));
  bytes.push_back(1);
  const Bytes head = encode_backup_entry(entry);
  bytes.insert(bytes.end(), head.begin(), head.end());
  put(file("altered"), bytes);
  const auto reader = BackupReader::open(file("altered"));
  ASSERT_FALSE(reader);
  EXPECT_NE(reader.error().detail.find("end too early"), std::string::npos);
}

TEST_F(BackupFileTest, SaysWhatIsNoBackup) {
  put(file("text"), to_bytes("hello"));
  EXPECT_EQ(BackupReader::open(file("text")).error().code, Errc::malformed);
  EXPECT_EQ(BackupReader::open(file("nothing")).error().code, Errc::not_found);
  EXPECT_FALSE(BackupReader::open(folder_));
}

}  // namespace
}  // namespace sallyport::keystore
